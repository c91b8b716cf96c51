# Plans of the module with the provider's schema and mocked answers; no plan reaches a network.
mock_provider "azurerm" {
  mock_resource "azurerm_kubernetes_cluster" {
    defaults = {
      kubelet_identity = [{ client_id = "c", object_id = "o", user_assigned_identity_id = "u" }]
    }
  }
}

variables {
  name     = "flights"
  account  = "acmeflights"
  location = "westeurope"
  subject  = "repo:acme@1/flights@2"
}

run "the_store_alone" {
  command = plan

  assert {
    condition     = output.url == "azure://store/flights"
    error_message = "the URL of the store"
  }

  assert {
    condition = toset([for one in azurerm_federated_identity_credential.github : one.subject]) == toset([
      "repo:acme@1/flights@2:environment:read",
      "repo:acme@1/flights@2:ref:refs/heads/main",
      "repo:acme@1/flights@2:environment:release",
    ])
    error_message = "the subjects that are trusted"
  }

  assert {
    condition     = length(azurerm_kubernetes_cluster.project) + length(azurerm_container_registry.images) + length(azurerm_postgresql_flexible_server.tracker) == 0
    error_message = "what is optional is off"
  }
}

run "everything" {
  command = plan

  variables {
    registry         = "acmeflights"
    cluster          = true
    cluster_admins   = ["00000000-0000-0000-0000-000000000001"]
    people           = ["00000000-0000-0000-0000-000000000002"]
    tracker          = true
    tracker_password = "0123456789abcdef0123456789abcdef01234567"
  }

  assert {
    condition     = azurerm_federated_identity_credential.tracker[0].subject == "system:serviceaccount:flights-tracker:mlflow"
    error_message = "the service account of the tracker"
  }
}

run "a_writer_that_any_pull_request_could_be" {
  command = plan

  variables {
    writers = ["pull_request"]
  }

  expect_failures = [var.writers]
}

run "a_subject_with_a_wildcard" {
  command = plan

  variables {
    readers = ["ref:refs/heads/*"]
  }

  expect_failures = [var.readers]
}

run "a_subject_that_is_more_than_the_repository" {
  command = plan

  variables {
    subject = "repo:acme/flights:environment:release"
  }

  expect_failures = [var.subject]
}

run "a_name_that_no_account_can_have" {
  command = plan

  variables {
    account = "acme-flights"
  }

  expect_failures = [var.account]
}

run "a_cluster_that_nobody_can_enter" {
  command = plan

  variables {
    cluster = true
  }

  expect_failures = [var.cluster]
}

run "a_tracker_without_a_cluster" {
  command = plan

  variables {
    tracker          = true
    tracker_password = "0123456789abcdef0123456789abcdef01234567"
  }

  expect_failures = [var.tracker]
}
