package job

// Peers: computers that have finished give chunks to others of their session, so that the tail is not the server's alone.
//
//	finished PC                     server                       PC that fetches alone
//	  |-- POST /agent/v1/serve ------>|  Serving -> ServingReply       |
//	  |    again every 5 s            |<----- GET /agent/v1/peers -----|  []Peer
//	  |<------------- POST /frames, IDs, with the token over TLS ------|  frames, each proven by hash
//
// A server that answers 404 knows no peers; nothing is lost by that.
const (
	PathServe = "/agent/v1/serve"
	PathPeers = "/agent/v1/peers"
	// PathPeerFrames is at a peer: POST of IDs, 32 bytes each, at most MaxIDs, answered with frames in the order asked.
	PathPeerFrames = "/frames"
	// PeerTokenHeader carries the token of a Peer.
	PeerTokenHeader = "Ardoise-Peer-Token"
	// MaxPeers is the most that one computer is told of; more are not asked.
	MaxPeers = 4
)

// Serving is the offer of a computer whose deploy has just been proven. The address is the one that it comes from.
type Serving struct {
	Task     string // that was proven
	Session  string // of that task
	Manifest string // hash, hexadecimal
	Port     int    // TCP
	Sent     int64  // bytes of frames given so far
	Leaving  bool   // it gives nothing any more
}

// ServingReply answers a Serving.
type ServingReply struct {
	Stop  bool   // nobody needs it, or there is work for it: it ends
	Token string // that others must show from now on; a server that was restarted gives another
}

// Peer is a computer that gives chunks of the asking computer's running deploy. Those of the same network come first.
type Peer struct {
	Address string // HOST:PORT, as the server saw it
	Key     string // SHA-256 of its public key (SubjectPublicKeyInfo), hexadecimal: what proves it
	Token   string // to be shown to it
}
