# The store in Google Cloud. docs/clouds.md: how to make it, change it and remove it.
terraform {
  backend "gcs" { # whoever applies locks it; the bucket is made once, by hand
    prefix = "{{ cookiecutter.project_slug }}"
  }
}

provider "google" {
  project = var.project
}

variable "project" {
  type        = string
  description = "gcloud config get project"
}

variable "subject" {
  type        = string
  description = "gh api repos/OWNER/NAME/actions/oidc/customization/sub --jq .sub_claim_prefix"
}

variable "bucket" {
  type        = string
  description = "Name of the bucket, unique in all of Google Cloud"
}

# Every other variable of the module has a default: vendor/mlgitops/infra/gcp/variables.tf
module "project" {
  source   = "../../vendor/mlgitops/infra/gcp"
  name     = "{{ cookiecutter.project_slug }}"
  location = "EU"
  subject  = var.subject
  bucket   = var.bucket
}

output "project" {
  value = module.project
}

output "url" {
  value = module.project.url
}
