// Package relay is the helper's side of waking computers in a network that the server's packets do not get to: it asks for MAC
// addresses and wakes them where it is. The server's side is console/agentapi, with fleet, which decides who is asked.
//
//	helper in VLAN 12                                   server
//	  |-- I am in 10.0.12.0/24, done: 17, 18 ---------->|  it waits up to 25 s
//	  |<------------------------- 19 52:54:00:12:34:56 -|  somebody wakes a computer
//	  |  magic packets: frames of type 0x0842, and UDP  |
//	  |-- I am in 10.0.12.0/24, done: 19 -------------->|
//
// The helper dials, so that no port is open on it and no firewall has to let anybody in. The server is proven by the CA
// fingerprint in the key file, the helper by the secret there. What is done is said with the next question, and until one was
// answered with each: an answer that got lost is given again. Computers are woken 200 ms apart.
//
// When the server does not answer, the next of its addresses is asked, after a pause that grows to 15 s. A secret that the
// server does not know is shown again every five minutes only, as more would look like guessing.
//
// Sources: imaging/job, HelperPoll; pxe/wol for the packets, which are given as a function.
//
// Guaranteed: it ends only when its context does, whatever a server or the network does; a server can make it do nothing but
// send magic packets, at most one each 200 ms, to MAC addresses of single interfaces. Not guaranteed: that a computer wakes,
// which nobody answers; that a packet is sent once, which does no harm.
package relay
