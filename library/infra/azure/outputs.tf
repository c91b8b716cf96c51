output "url" {
  description = "The store, for `make store`"
  value       = "azure://${azurerm_storage_container.store.name}/${var.name}"
}

output "account" {
  description = "The storage account that has it"
  value       = azurerm_storage_account.store.name
}

output "tenant_id" {
  description = "The variable AZURE_TENANT_ID of the repository"
  value       = data.azurerm_client_config.current.tenant_id
}

output "subscription_id" {
  description = "The variable AZURE_SUBSCRIPTION_ID of the repository"
  value       = data.azurerm_client_config.current.subscription_id
}

output "reader_client_id" {
  description = "The variable AZURE_CLIENT_ID of the repository"
  value       = azurerm_user_assigned_identity.reader.client_id
}

output "writer_client_id" {
  description = "The variable AZURE_CLIENT_ID of the environment `release`"
  value       = azurerm_user_assigned_identity.writer.client_id
}

output "registry" {
  description = "The variable REGISTRY of the repository"
  value       = var.registry == "" ? null : azurerm_container_registry.images[0].login_server
}

output "tracker_host" {
  description = "The host of the tracker's database"
  value       = var.tracker ? azurerm_postgresql_flexible_server.tracker[0].fqdn : null
}

output "tracker_client_id" {
  description = "The identity that the MLflow server logs in with"
  value       = var.tracker ? azurerm_user_assigned_identity.tracker[0].client_id : null
}
