variable "name" {
  description = "Name of the project: the resource group and what is in it are named by it"
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "Use 3 to 40 lowercase letters, digits and dashes, such as the repository's name."
  }
}

variable "account" {
  description = "Name of the storage account, unique in all of Azure: 3 to 24 lowercase letters and digits"
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{3,24}$", var.account))
    error_message = "Use 3 to 24 lowercase letters and digits; Azure refuses a name that somebody else has."
  }
}

variable "location" {
  description = "Region of everything, such as westeurope"
  type        = string
}

variable "subject" {
  description = "How GitHub's tokens begin for this repository: gh api repos/OWNER/NAME/actions/oidc/customization/sub --jq .sub_claim_prefix"
  type        = string

  validation {
    condition     = can(regex("^repo:[^/:*]+/[^/:*]+$", var.subject))
    error_message = "Use what GitHub returns, such as repo:acme@123456/flights@456789; no wildcard, and nothing after the repository."
  }
}

variable "issuer" {
  description = "Who signs the workflows' tokens; another one for GitHub Enterprise Server"
  type        = string
  default     = "https://token.actions.githubusercontent.com"
}

variable "readers" {
  description = "Ends of the subjects that may read the store: jobs that run a change's code, and main's jobs that write nothing"
  type        = list(string)
  default     = ["environment:read", "ref:refs/heads/main"]

  validation {
    condition     = alltrue([for end in var.readers : can(regex("^(environment:[^:*]+|ref:refs/heads/[^*]+|pull_request)$", end))])
    error_message = "Use environment:NAME, ref:refs/heads/BRANCH or pull_request; Azure compares the whole subject, so there are no wildcards."
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

variable "people" {
  description = "Object IDs of the people or groups in Entra ID who push and pull from their laptops: az ad group show --group NAME --query id"
  type        = list(string)
  default     = []
}

variable "replication" {
  description = "Copies of the store: LRS (one building, cheapest), ZRS (three buildings), GZRS (and another region)"
  type        = string
  default     = "ZRS"

  validation {
    condition     = contains(["LRS", "ZRS", "GRS", "GZRS"], var.replication)
    error_message = "Use LRS, ZRS, GRS or GZRS."
  }
}

variable "undelete_days" {
  description = "For how long what was deleted or overwritten can be brought back"
  type        = number
  default     = 30

  validation {
    condition     = var.undelete_days >= 7 && var.undelete_days <= 365
    error_message = "Use 7 to 365 days."
  }
}

variable "predictions_days" {
  description = "For how long the log of predictions is kept"
  type        = number
  default     = 365
}

variable "registry" {
  description = "Name of a container registry, unique in all of Azure: 5 to 50 letters and digits; none if it is empty"
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([a-z0-9]{5,50})?$", var.registry))
    error_message = "Use 5 to 50 lowercase letters and digits."
  }
}

variable "cluster" {
  description = "Whether to make a Kubernetes cluster"
  type        = bool
  default     = false

  validation {
    condition     = !var.cluster || length(var.cluster_admins) > 0
    error_message = "Name a group in cluster_admins: nobody else can enter the cluster."
  }
}

variable "cluster_admins" {
  description = "Object IDs of the groups in Entra ID that administer the cluster"
  type        = list(string)
  default     = []
}

variable "node_size" {
  description = "Size of the cluster's machines"
  type        = string
  default     = "Standard_D2ds_v5"
}

variable "nodes" {
  description = "Number of the cluster's machines: at least, and at most"
  type        = object({ min = number, max = number })
  default     = { min = 2, max = 5 }
}

variable "tracker_password" {
  description = "Password of the tracker's database; it is kept in no file and no state"
  type        = string
  default     = ""
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = !var.tracker || length(var.tracker_password) >= 20
    error_message = "Use at least 20 characters: openssl rand -hex 20."
  }
}

variable "tracker" {
  description = "Whether to make a PostgreSQL server for the tracker, reachable from the cluster only"
  type        = bool
  default     = false

  validation {
    condition     = !var.tracker || var.cluster
    error_message = "The tracker's server runs in the cluster: set cluster = true as well."
  }
}
