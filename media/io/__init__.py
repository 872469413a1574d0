"""The shells of the media plane: sockets, files, the media process and its client."""
