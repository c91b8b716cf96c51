# The store: one container in a storage account that knows no key. What is deleted or overwritten
# can be brought back for `undelete_days`; no rule ever deletes the newest version of an object.
resource "azurerm_resource_group" "project" {
  name     = var.name
  location = var.location
}

resource "azurerm_storage_account" "store" {
  name                             = var.account
  resource_group_name              = azurerm_resource_group.project.name
  location                         = azurerm_resource_group.project.location
  account_tier                     = "Standard"
  account_replication_type         = var.replication
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  local_user_enabled               = false

  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = var.undelete_days
    }

    container_delete_retention_policy {
      days = var.undelete_days
    }
  }

  lifecycle {
    prevent_destroy = true # docs/azure.md says how to remove it on purpose
  }
}

resource "azurerm_storage_container" "store" {
  name               = "store"
  storage_account_id = azurerm_storage_account.store.id
}

resource "azurerm_storage_management_policy" "store" {
  storage_account_id = azurerm_storage_account.store.id

  rule {
    name    = "old-versions"
    enabled = true

    filters {
      blob_types = ["blockBlob"]
    }

    actions {
      version {
        delete_after_days_since_creation = var.undelete_days
      }
    }
  }

  rule {
    name    = "predictions"
    enabled = true

    filters {
      blob_types   = ["blockBlob", "appendBlob"]
      prefix_match = ["${azurerm_storage_container.store.name}/${var.name}/predictions/"]
    }

    actions {
      base_blob {
        delete_after_days_since_modification_greater_than = var.predictions_days
      }
    }
  }
}
