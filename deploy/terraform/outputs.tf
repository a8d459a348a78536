output "database" {
  description = "The journal's URL without its password, which `database_secret` has."
  value       = "postgresql://${aws_db_instance.journal.username}@${aws_db_instance.journal.endpoint}/${aws_db_instance.journal.db_name}?sslmode=require"
}

output "database_secret" {
  description = "The secret with the database's user and password, in Secrets Manager."
  value       = aws_db_instance.journal.master_user_secret[0].secret_arn
}

output "redis" {
  description = "For gcsFaultToleranceOptions.redisAddress."
  value       = "rediss://${aws_elasticache_replication_group.gcs.primary_endpoint_address}:6379"
}

output "bucket" {
  description = "For `objects` and `index` in the arguments of `plane`."
  value       = "s3://${aws_s3_bucket.files.bucket}"
}

output "file_system" {
  description = "For the storage class `efs`."
  value       = aws_efs_file_system.main.id
}

output "role" {
  description = "For the service account's annotation."
  value       = aws_iam_role.workload["pods"].arn
}

output "cluster" {
  description = "For `aws eks update-kubeconfig --name`."
  value       = aws_eks_cluster.main.name
}
