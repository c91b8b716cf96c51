# Optional: a cluster whose pods log in as themselves (workload identity), and which people enter by
# their Entra ID. Connect it to the repository as docs/deploy.md says.
resource "azurerm_virtual_network" "project" {
  count               = var.cluster ? 1 : 0
  name                = var.name
  resource_group_name = azurerm_resource_group.project.name
  location            = azurerm_resource_group.project.location
  address_space       = ["10.40.0.0/16"]
}

resource "azurerm_subnet" "nodes" {
  count                = var.cluster ? 1 : 0
  name                 = "nodes"
  resource_group_name  = azurerm_resource_group.project.name
  virtual_network_name = azurerm_virtual_network.project[0].name
  address_prefixes     = ["10.40.0.0/20"]
}

resource "azurerm_kubernetes_cluster" "project" {
  count                     = var.cluster ? 1 : 0
  name                      = var.name
  resource_group_name       = azurerm_resource_group.project.name
  location                  = azurerm_resource_group.project.location
  dns_prefix                = var.name
  sku_tier                  = "Standard"
  oidc_issuer_enabled       = true
  workload_identity_enabled = true
  local_account_disabled    = true
  azure_policy_enabled      = true
  automatic_upgrade_channel = "stable"
  node_os_upgrade_channel   = "NodeImage"

  default_node_pool {
    name                        = "nodes"
    vm_size                     = var.node_size
    vnet_subnet_id              = azurerm_subnet.nodes[0].id
    auto_scaling_enabled        = true
    min_count                   = var.nodes.min
    max_count                   = var.nodes.max
    temporary_name_for_rotation = "rotation"
  }

  node_provisioning_profile {
    mode = "Manual"
  }

  identity {
    type = "SystemAssigned"
  }

  azure_active_directory_role_based_access_control {
    azure_rbac_enabled     = false
    admin_group_object_ids = var.cluster_admins
    tenant_id              = data.azurerm_client_config.current.tenant_id
  }

  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_data_plane  = "cilium"
    network_policy      = "cilium" # enforces deploy/base/network.yaml
  }
}
