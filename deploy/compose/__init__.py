"""What docker-compose.yml needs beside the images: secrets made on the first start, the broker's configuration."""
