terraform {
  required_version = ">= 1.11" # values that are in no state
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 5.10, < 6"
    }
  }
}

data "azurerm_client_config" "current" {}
