# What this project needs in Azure. docs/azure.md: how to make it, change it and remove it.
terraform {
  backend "azurerm" { # whoever applies locks it; the account is made once, by hand
    container_name   = "state"
    key              = "{{ cookiecutter.project_slug }}.tfstate"
    use_azuread_auth = true
  }
}

provider "azurerm" {
  features {}
  subscription_id     = var.subscription_id
  storage_use_azuread = true         # no key, here either
  resource_providers_to_register = [ # a new subscription has none of them
    "Microsoft.ContainerRegistry", "Microsoft.ContainerService", "Microsoft.DBforPostgreSQL",
    "Microsoft.ManagedIdentity", "Microsoft.Network", "Microsoft.Storage",
  ]
}

variable "subscription_id" {
  type        = string
  description = "az account show --query id --output tsv"
}

variable "subject" {
  type        = string
  description = "gh api repos/OWNER/NAME/actions/oidc/customization/sub --jq .sub_claim_prefix"
}

variable "account" {
  type        = string
  description = "Name of the storage account, unique in all of Azure"
}

# Every other variable of the module has a default: vendor/mlgitops/infra/azure/variables.tf
module "project" {
  source   = "../../vendor/mlgitops/infra/azure"
  name     = "{{ cookiecutter.project_slug }}"
  location = "westeurope"
  subject  = var.subject
  account  = var.account
}

output "project" {
  value = module.project
}

output "url" {
  value = module.project.url
}
