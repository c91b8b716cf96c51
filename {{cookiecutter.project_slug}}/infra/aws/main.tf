# The store in S3. docs/clouds.md: how to make it, change it and remove it.
terraform {
  backend "s3" { # whoever applies locks it; the bucket is made once, by hand
    key          = "{{ cookiecutter.project_slug }}.tfstate"
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
}

variable "region" {
  type        = string
  description = "Where the bucket is, such as eu-central-1"
}

variable "subject" {
  type        = string
  description = "gh api repos/OWNER/NAME/actions/oidc/customization/sub --jq .sub_claim_prefix"
}

variable "bucket" {
  type        = string
  description = "Name of the bucket, unique in all of AWS"
}

# Every other variable of the module has a default: vendor/mlgitops/infra/aws/variables.tf
module "project" {
  source  = "../../vendor/mlgitops/infra/aws"
  name    = "{{ cookiecutter.project_slug }}"
  subject = var.subject
  bucket  = var.bucket
}

output "project" {
  value = module.project
}

output "url" {
  value = module.project.url
}
