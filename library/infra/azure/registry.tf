# Optional: images in Azure's own registry. Jobs on main push by the same login; there is no password.
resource "azurerm_container_registry" "images" {
  count                  = var.registry == "" ? 0 : 1
  name                   = var.registry
  resource_group_name    = azurerm_resource_group.project.name
  location               = azurerm_resource_group.project.location
  sku                    = "Standard"
  admin_enabled          = false
  anonymous_pull_enabled = false
}

resource "azurerm_role_assignment" "push" {
  count                = var.registry == "" ? 0 : 1
  scope                = azurerm_container_registry.images[0].id
  role_definition_name = "AcrPush"
  principal_id         = azurerm_user_assigned_identity.writer.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "pull" {
  count                = var.registry == "" || !var.cluster ? 0 : 1
  scope                = azurerm_container_registry.images[0].id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_kubernetes_cluster.project[0].kubelet_identity[0].object_id
  principal_type       = "ServicePrincipal"
}
