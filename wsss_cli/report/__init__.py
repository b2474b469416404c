"""What people look at: sheets of pictures, tables, what a file is."""
