"""Products that do jobs in durable steps, each with the same job, its defaults elsewhere, and an environment apart.

A job has three steps that give back the text they are given. Modules here import nothing of ours but each other.
"""
