variable "name" {
  description = "Begins the name of everything."
  type        = string
  default     = "heliograph"
}

variable "region" {
  description = "Where everything is."
  type        = string
  default     = "us-west-2"
}

variable "zones" {
  description = "Its zones, two at least, three at best. Look whether they have the GPUs."
  type        = list(string)
  default     = ["us-west-2a", "us-west-2b", "us-west-2c"]
}

variable "network" {
  description = "Addresses of the network, a /16."
  type        = string
  default     = "10.42.0.0/16"
}

variable "administrators" {
  description = "Networks from which Kubernetes' own server may be reached. Empty: from inside the network only."
  type        = list(string)
  default     = []
}

variable "kubernetes_version" {
  description = "Of the cluster."
  type        = string
  default     = "1.33"
}

variable "database_class" {
  description = "Machine of the database. The journal writes much and reads little: a disk counts before a processor."
  type        = string
  default     = "db.m7g.xlarge"
}

variable "database_gib" {
  description = "Size of its disk; from 400 GiB on gp3 has 12 000 operations per second."
  type        = number
  default     = 400
}

variable "redis_class" {
  description = "Machine of Redis, which holds the state of Ray's GCS: a few megabytes."
  type        = string
  default     = "cache.t4g.small"
}

variable "redis_password" {
  description = "16 to 128 letters and digits. It gets into the state."
  type        = string
  sensitive   = true
}

variable "node_groups" {
  description = "Kinds of nodes: the same as in cluster.yaml. `gpu` is the label that heliograph.yaml's groups ask for."
  type = map(object({
    instance = string
    least    = number
    most     = number
    disk_gib = number
    gpu      = optional(string, "")
  }))
  default = {
    services    = { instance = "c7i.4xlarge", least = 2, most = 8, disk_gib = 100 } # the head too
    gpu-l4      = { instance = "g6.2xlarge", least = 0, most = 8, disk_gib = 300, gpu = "l4" }
    gpu-l4-x8   = { instance = "g6.48xlarge", least = 0, most = 2, disk_gib = 300, gpu = "l4-x8" }
    gpu-h100-x8 = { instance = "p5.48xlarge", least = 0, most = 1, disk_gib = 500, gpu = "h100-x8" }
  }
}
