"""Delivery: from what is owed to what iTop holds. Read, plan, write on what was read, look again."""
