"""What runs cost before anything is computed: FLOPs, memory, hours, downloads, and whether a card can hold them."""
