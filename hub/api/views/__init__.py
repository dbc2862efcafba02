"""The API's resources, a module each. A view reads its input, makes one domain call and shows the result."""
