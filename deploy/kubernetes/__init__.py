"""What deploy/kubernetes needs beside its manifests: secrets of one installation, alerts as the operator wants them."""
