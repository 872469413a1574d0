"""The shells of the SIP room: UDP and TCP sockets, and the endpoint that owns a user agent."""
