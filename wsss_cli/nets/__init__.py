"""Networks (nn.Module) and their pretrained weights."""
