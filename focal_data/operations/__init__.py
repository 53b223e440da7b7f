"""What spans tenants or stores, and needs the owner's rights. ``Operator`` is its one door; services never open it."""
