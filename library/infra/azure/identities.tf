# Who may do what. A job shows GitHub's token, whose subject says what it is; Azure trusts exactly the
# subjects named here and hands out a token of its own for an hour. There is no key to lose.
locals {
  federated = merge(
    { for end in var.readers : "reader-${end}" => [azurerm_user_assigned_identity.reader.id, end] },
    { for end in var.writers : "writer-${end}" => [azurerm_user_assigned_identity.writer.id, end] },
  )
}

resource "azurerm_user_assigned_identity" "reader" {
  name                = "${var.name}-reader"
  resource_group_name = azurerm_resource_group.project.name
  location            = azurerm_resource_group.project.location
}

resource "azurerm_user_assigned_identity" "writer" {
  name                = "${var.name}-writer"
  resource_group_name = azurerm_resource_group.project.name
  location            = azurerm_resource_group.project.location
}

resource "azurerm_federated_identity_credential" "github" {
  for_each                  = local.federated
  name                      = replace(replace(each.key, ":", "-"), "/", "-")
  user_assigned_identity_id = each.value[0]
  issuer                    = var.issuer
  audience                  = ["api://AzureADTokenExchange"]
  subject                   = "${var.subject}:${each.value[1]}"
}

# Of the container, not of the account: an identity sees nothing beside the store.
resource "azurerm_role_assignment" "reader" {
  scope                = azurerm_storage_container.store.id
  role_definition_name = "Storage Blob Data Reader"
  principal_id         = azurerm_user_assigned_identity.reader.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "writer" {
  scope                = azurerm_storage_container.store.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_user_assigned_identity.writer.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "people" {
  for_each             = toset(var.people)
  scope                = azurerm_storage_container.store.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = each.value
}
