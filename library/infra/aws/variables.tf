variable "name" {
  description = "Name of the project: the roles are named by it, and the folder in the bucket"
  type        = string
}

variable "bucket" {
  description = "Name of the bucket, unique in all of AWS"
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "Use 3 to 63 lowercase letters, digits and dashes."
  }
}

variable "github" {
  description = "Whether to make what trusts GitHub's tokens; an account has it once, so a second project says false"
  type        = bool
  default     = true
}

variable "subject" {
  description = "How GitHub's tokens begin for this repository: gh api repos/OWNER/NAME/actions/oidc/customization/sub --jq .sub_claim_prefix"
  type        = string

  validation {
    condition     = can(regex("^repo:[^/:*]+/[^/:*]+$", var.subject))
    error_message = "Use what GitHub returns, such as repo:acme@123456/flights@456789; no wildcard, and nothing after the repository."
  }
}

variable "readers" {
  description = "Ends of the subjects that may read the store: jobs that run a change's code, and main's jobs that write nothing"
  type        = list(string)
  default     = ["environment:read", "ref:refs/heads/main"]

  validation {
    condition     = alltrue([for end in var.readers : can(regex("^(environment:[^:*]+|ref:refs/heads/[^*]+|pull_request)$", end))])
    error_message = "Use environment:NAME, ref:refs/heads/BRANCH or pull_request; whole subjects are compared, without wildcards."
  }
}

variable "writers" {
  description = "Ends of the subjects that may write to the store: jobs of an environment that only main may use"
  type        = list(string)
  default     = ["environment:release"]

  validation {
    condition     = alltrue([for end in var.writers : can(regex("^(environment:[^:*]+|ref:refs/heads/main)$", end))])
    error_message = "Name environments that are limited to main, or ref:refs/heads/main: every other subject can be had by a job that runs a change's code."
  }
}

variable "undelete_days" {
  description = "For how long what was deleted or overwritten can be brought back"
  type        = number
  default     = 30

  validation {
    condition     = var.undelete_days >= 7 && var.undelete_days <= 90
    error_message = "Use 7 to 90 days."
  }
}

variable "predictions_days" {
  description = "For how long the log of predictions is kept"
  type        = number
  default     = 365
}
