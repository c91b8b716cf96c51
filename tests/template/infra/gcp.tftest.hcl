# Plans of the module with the provider's schema and mocked answers; no plan reaches a network.
mock_provider "google" {
  mock_resource "google_iam_workload_identity_pool" {
    defaults = { name = "projects/1/locations/global/workloadIdentityPools/flights-git" }
  }
}

variables {
  name     = "flights"
  bucket   = "acme-flights"
  location = "EU"
  subject  = "repo:acme@1/flights@2"
}

run "the_store" {
  command = plan

  assert {
    condition     = output.url == "gs://acme-flights/flights"
    error_message = "the URL of the store"
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.github.attribute_condition == "assertion.sub.startsWith('repo:acme@1/flights@2:')"
    error_message = "whose tokens are trusted"
  }
}

run "a_reader_changes_nothing" {
  command = plan

  assert {
    condition     = toset([for one in google_storage_bucket_iam_member.reader : one.role]) == toset(["roles/storage.objectViewer"])
    error_message = "what a reader may do"
  }

  assert {
    condition     = length(google_storage_bucket_iam_member.writer) == 1
    error_message = "who may write"
  }
}

run "a_writer_that_any_pull_request_could_be" {
  command = plan

  variables {
    writers = ["pull_request"]
  }

  expect_failures = [var.writers]
}

run "a_name_that_no_pool_can_have" {
  command = plan

  variables {
    name = "a"
  }

  expect_failures = [var.name]
}
