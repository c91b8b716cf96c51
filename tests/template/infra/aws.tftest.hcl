# Plans of the module with the provider's schema and mocked answers; no plan reaches a network.
mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

variables {
  name    = "flights"
  bucket  = "acme-flights"
  subject = "repo:acme@1/flights@2"
}

run "the_store" {
  command = plan

  assert {
    condition     = output.url == "s3://acme-flights/flights"
    error_message = "the URL of the store"
  }

  assert {
    condition     = jsondecode(aws_iam_role.github["writer"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == ["repo:acme@1/flights@2:environment:release"]
    error_message = "who may write"
  }

  assert {
    condition     = jsondecode(aws_iam_role.github["reader"].assume_role_policy).Statement[0].Principal.Federated == "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    error_message = "whose tokens are trusted"
  }
}

run "a_reader_changes_nothing" {
  command = plan

  assert {
    condition = flatten([
      for one in jsondecode(aws_iam_role_policy.github["reader"].policy).Statement : one.Action
    ]) == ["s3:ListBucket", "s3:GetObject"]
    error_message = "what a reader may do"
  }

  assert {
    condition = flatten([
      for one in jsondecode(aws_iam_role_policy.github["writer"].policy).Statement : one.Resource
    ]) == ["arn:aws:s3:::acme-flights", "arn:aws:s3:::acme-flights/flights/*"]
    error_message = "where a writer may write"
  }
}

run "a_second_project_of_an_account" {
  command = plan

  variables {
    github = false
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0
    error_message = "an account trusts GitHub once"
  }
}

run "a_writer_that_any_pull_request_could_be" {
  command = plan

  variables {
    writers = ["pull_request"]
  }

  expect_failures = [var.writers]
}
