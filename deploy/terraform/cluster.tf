resource "aws_eks_cluster" "main" {
  name                      = var.name
  version                   = var.kubernetes_version
  role_arn                  = aws_iam_role.cluster.arn
  enabled_cluster_log_types = ["api", "audit", "authenticator", "controllerManager", "scheduler"]

  vpc_config {
    subnet_ids              = [for subnet in aws_subnet.private : subnet.id]
    endpoint_private_access = true
    endpoint_public_access  = length(var.administrators) > 0
    public_access_cidrs     = length(var.administrators) > 0 ? var.administrators : null
  }

  encryption_config {
    resources = ["secrets"]
    provider {
      key_arn = aws_kms_key.main.arn
    }
  }

  depends_on = [aws_iam_role_policy_attachment.cluster]
}

resource "aws_eks_addon" "main" {
  for_each     = toset(["vpc-cni", "coredns", "kube-proxy", "aws-efs-csi-driver"])
  cluster_name = aws_eks_cluster.main.name
  addon_name   = each.key
  # Network policies are off in Amazon's plugin until they are asked for.
  configuration_values     = each.key == "vpc-cni" ? jsonencode({ enableNetworkPolicy = "true" }) : null
  service_account_role_arn = each.key == "aws-efs-csi-driver" ? aws_iam_role.workload["files"].arn : null
  depends_on               = [aws_eks_node_group.main["services"]]
}

resource "aws_launch_template" "node" {
  for_each    = var.node_groups
  name_prefix = "${var.name}-${each.key}-"
  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size = each.value.disk_gib
      volume_type = "gp3"
      encrypted   = true
      kms_key_id  = aws_kms_key.main.arn
    }
  }
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1 # no pod gets the node's role
  }
}

resource "aws_eks_node_group" "main" {
  for_each        = var.node_groups
  cluster_name    = aws_eks_cluster.main.name
  node_group_name = each.key
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = [for subnet in aws_subnet.private : subnet.id]
  instance_types  = [each.value.instance]
  ami_type        = each.value.gpu == "" ? "AL2023_x86_64_STANDARD" : "AL2023_x86_64_NVIDIA"
  labels          = each.value.gpu == "" ? {} : { "heliograph/gpu" = each.value.gpu }

  launch_template {
    id      = aws_launch_template.node[each.key].id
    version = aws_launch_template.node[each.key].latest_version
  }

  scaling_config {
    min_size     = each.value.least
    desired_size = each.value.least
    max_size     = each.value.most
  }

  dynamic "taint" {
    for_each = each.value.gpu == "" ? [] : ["nvidia.com/gpu"]
    content {
      key    = taint.value
      value  = "present"
      effect = "NO_SCHEDULE"
    }
  }

  lifecycle {
    ignore_changes = [scaling_config[0].desired_size] # the autoscaler's
  }

  depends_on = [aws_iam_role_policy_attachment.node]
}
