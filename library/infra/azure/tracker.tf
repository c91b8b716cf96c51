# Optional: what an MLflow server in the cluster needs: a database that only the cluster's network
# reaches, and an identity that writes its artifacts to the store.
resource "azurerm_subnet" "database" {
  count                = var.tracker ? 1 : 0
  name                 = "database"
  resource_group_name  = azurerm_resource_group.project.name
  virtual_network_name = azurerm_virtual_network.project[0].name
  address_prefixes     = ["10.40.16.0/28"]

  delegation {
    name = "postgresql"

    service_delegation {
      name    = "Microsoft.DBforPostgreSQL/flexibleServers"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}

resource "azurerm_private_dns_zone" "database" {
  count               = var.tracker ? 1 : 0
  name                = "${var.name}.postgres.database.azure.com"
  resource_group_name = azurerm_resource_group.project.name
}

resource "azurerm_private_dns_zone_virtual_network_link" "database" {
  count               = var.tracker ? 1 : 0
  name                = var.name
  private_dns_zone_id = azurerm_private_dns_zone.database[0].id
  virtual_network_id  = azurerm_virtual_network.project[0].id
}

resource "azurerm_postgresql_flexible_server" "tracker" {
  count                             = var.tracker ? 1 : 0
  name                              = "${var.name}-tracker"
  resource_group_name               = azurerm_resource_group.project.name
  location                          = azurerm_resource_group.project.location
  version                           = "17"
  sku_name                          = "B_Standard_B1ms"
  storage_mb                        = 32768
  auto_grow_enabled                 = true
  backup_retention_days             = 14
  administrator_login               = "mlflow"
  administrator_password_wo         = var.tracker_password
  administrator_password_wo_version = 1
  public_network_access_enabled     = false
  delegated_subnet_id               = azurerm_subnet.database[0].id
  private_dns_zone_id               = azurerm_private_dns_zone.database[0].id
  depends_on                        = [azurerm_private_dns_zone_virtual_network_link.database]

  lifecycle {
    ignore_changes = [zone]
  }
}

resource "azurerm_postgresql_flexible_server_database" "tracker" {
  count     = var.tracker ? 1 : 0
  name      = "mlflow"
  server_id = azurerm_postgresql_flexible_server.tracker[0].id
}

resource "azurerm_user_assigned_identity" "tracker" {
  count               = var.tracker ? 1 : 0
  name                = "${var.name}-tracker"
  resource_group_name = azurerm_resource_group.project.name
  location            = azurerm_resource_group.project.location
}

resource "azurerm_federated_identity_credential" "tracker" {
  count                     = var.tracker ? 1 : 0
  name                      = "mlflow"
  user_assigned_identity_id = azurerm_user_assigned_identity.tracker[0].id
  issuer                    = azurerm_kubernetes_cluster.project[0].oidc_issuer_url
  audience                  = ["api://AzureADTokenExchange"]
  subject                   = "system:serviceaccount:${var.name}-tracker:mlflow"
}

resource "azurerm_role_assignment" "tracker" {
  count                = var.tracker ? 1 : 0
  scope                = azurerm_storage_container.store.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_user_assigned_identity.tracker[0].principal_id
  principal_type       = "ServicePrincipal"
}
