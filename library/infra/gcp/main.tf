# A bucket, and which of GitHub's tokens may read it and which may write: without an account between.
# What is deleted or overwritten can be brought back; no rule deletes the newest version of an object.
terraform {
  required_version = ">= 1.11"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 8.0, < 9"
    }
  }
}

resource "google_storage_bucket" "store" {
  name                        = var.bucket
  location                    = var.location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = var.undelete_days * 86400
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      days_since_noncurrent_time = var.undelete_days
      with_state                 = "ARCHIVED"
    }
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      age            = var.predictions_days
      matches_prefix = ["${var.name}/predictions/"]
    }
  }

  lifecycle {
    prevent_destroy = true # docs/clouds.md says how to remove it on purpose
  }
}

resource "google_iam_workload_identity_pool" "github" {
  workload_identity_pool_id = "${var.name}-git"
}

resource "google_iam_workload_identity_pool_provider" "github" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.github.workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  attribute_mapping                  = { "google.subject" = "assertion.sub" }
  attribute_condition                = "assertion.sub.startsWith('${var.subject}:')"

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_storage_bucket_iam_member" "reader" {
  for_each = toset(var.readers)
  bucket   = google_storage_bucket.store.name
  role     = "roles/storage.objectViewer"
  member   = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.github.name}/subject/${var.subject}:${each.key}"
}

resource "google_storage_bucket_iam_member" "writer" {
  for_each = toset(var.writers)
  bucket   = google_storage_bucket.store.name
  role     = "roles/storage.objectUser"
  member   = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.github.name}/subject/${var.subject}:${each.key}"
}

output "url" {
  description = "The store, for `make store`"
  value       = "gs://${google_storage_bucket.store.name}/${var.name}"
}

output "provider" {
  description = "The variable GCP_PROVIDER of the repository"
  value       = google_iam_workload_identity_pool_provider.github.name
}
