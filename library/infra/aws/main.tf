# A bucket, a role that may read it and one that may write, and what trusts GitHub's tokens for them.
# What is deleted or overwritten can be brought back; no rule deletes the newest version of an object.
terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.50, < 7"
    }
  }
}

locals {
  issuer = "token.actions.githubusercontent.com"
  arn    = "arn:aws:s3:::${var.bucket}"
  roles = {
    reader = { ends = var.readers, actions = ["s3:GetObject"] }
    writer = { ends = var.writers, actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"] }
  }
}

data "aws_caller_identity" "current" {}

resource "aws_s3_bucket" "store" {
  bucket = var.bucket

  lifecycle {
    prevent_destroy = true # docs/clouds.md says how to remove it on purpose
  }
}

resource "aws_s3_bucket_versioning" "store" {
  bucket = aws_s3_bucket.store.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "store" {
  bucket                  = aws_s3_bucket.store.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "store" {
  bucket     = aws_s3_bucket.store.id
  depends_on = [aws_s3_bucket_public_access_block.store]
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyEncryptedConnections"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.arn, "${local.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_s3_bucket_lifecycle_configuration" "store" {
  bucket     = aws_s3_bucket.store.id
  depends_on = [aws_s3_bucket_versioning.store]

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.undelete_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "predictions"
    status = "Enabled"

    filter {
      prefix = "${var.name}/predictions/"
    }

    expiration {
      days = var.predictions_days
    }
  }
}

resource "aws_iam_openid_connect_provider" "github" {
  count          = var.github ? 1 : 0
  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "github" {
  for_each             = local.roles
  name                 = "${var.name}-${each.key}"
  max_session_duration = 3600
  depends_on           = [aws_iam_openid_connect_provider.github]
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:oidc-provider/${local.issuer}" }
      Condition = {
        StringEquals = {
          "${local.issuer}:aud" = "sts.amazonaws.com"
          "${local.issuer}:sub" = [for end in each.value.ends : "${var.subject}:${end}"]
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "github" {
  for_each = local.roles
  name     = "store"
  role     = aws_iam_role.github[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["s3:ListBucket"], Resource = [local.arn] },
      { Effect = "Allow", Action = each.value.actions, Resource = ["${local.arn}/${var.name}/*"] },
    ]
  })
}

output "url" {
  description = "The store, for `make store`"
  value       = "s3://${aws_s3_bucket.store.bucket}/${var.name}"
}

output "reader_role" {
  description = "The variable AWS_ROLE of the repository"
  value       = aws_iam_role.github["reader"].arn
}

output "writer_role" {
  description = "The variable AWS_ROLE of the environment `release`"
  value       = aws_iam_role.github["writer"].arn
}
