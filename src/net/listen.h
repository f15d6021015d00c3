/*
 * listen: the sockets that clients come in by: TCP addresses (IPv4 and IPv6), and a unix socket.
 * Reactor only. Keepalive and no-delay are set on the listening socket; Linux hands them on to
 * every connection, which saves five system calls each.
 */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include "net/reactor.h"

/* Binds what the settings say: server.bind, server.port (0: no TCP), server.unixsocket. An error
 * names the address; then listen_close cleans up. */
MUST_CHECK enum status listen_open(struct net *net, struct err *err);
void listen_close(struct net *net);  /* repeatable; removes the unix socket's file */
void listen_config(struct net *net); /* new settings: keepalive */
void listen_resume(struct net *net); /* accepts again after a pause for want of descriptors */

#endif
