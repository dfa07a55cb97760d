package access

import "time"

// Person is somebody with an account, or invited to have one.
type Person struct {
	ID       string     `json:"id"`
	Login    string     `json:"login"`
	Name     string     `json:"name"`
	Mail     string     `json:"mail,omitempty"`
	Role     string     `json:"role"`            // administrator, technician, teacher, reader
	Sites    []string   `json:"sites,omitempty"` // of technicians and readers; none: all
	Rooms    []string   `json:"rooms,omitempty"` // of teachers
	Invited  bool       `json:"invited,omitempty"`
	Disabled bool       `json:"disabled,omitempty"`
	Provider bool       `json:"provider,omitempty"` // logs in by the provider of OpenID Connect
	Created  time.Time  `json:"created"`
	LastSeen *time.Time `json:"last_seen,omitempty"`
}

// Me is who asks.
type Me struct {
	Login  string   `json:"login"`
	Name   string   `json:"name"`
	Role   string   `json:"role"`
	Sites  []string `json:"sites,omitempty"`
	Rooms  []string `json:"rooms,omitempty"`
	Via    string   `json:"via"`              // socket, session, token
	Scopes []string `json:"scopes,omitempty"` // of a token
}

// PersonChange makes a person, or changes what is not nil.
type PersonChange struct {
	Login    *string   `json:"login,omitempty"`
	Name     *string   `json:"name,omitempty"`
	Mail     *string   `json:"mail,omitempty"`
	Role     *string   `json:"role,omitempty"`
	Sites    *[]string `json:"sites,omitempty"`
	Rooms    *[]string `json:"rooms,omitempty"`
	Disabled *bool     `json:"disabled,omitempty"`
	Password *string   `json:"password,omitempty"` // "": he is invited
}

// Invited is a person with the secret of the link by which he sets a password. It is told once.
type Invited struct {
	Person
	Secret string `json:"secret,omitempty"`
	Path   string `json:"path,omitempty"` // of the link, below the console's address
}

// Token is an API token.
type Token struct {
	ID      string     `json:"id"`
	Person  string     `json:"person"` // login
	Name    string     `json:"name"`
	Scopes  []string   `json:"scopes"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"`
	Used    *time.Time `json:"used,omitempty"`
	Address string     `json:"address,omitempty"` // from where it was used last
	Secret  string     `json:"secret,omitempty"`  // told once, when it is made
}

// TokenRequest asks for an API token.
type TokenRequest struct {
	Person  string    `json:"person,omitempty"` // login; "": one's own
	Name    string    `json:"name"`
	Scopes  []string  `json:"scopes"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// AuditEntry is one line of the audit log.
type AuditEntry struct {
	Number  int64     `json:"number"`
	Time    time.Time `json:"time"`
	Who     string    `json:"who"`
	Via     string    `json:"via"`
	Address string    `json:"address,omitempty"`
	Action  string    `json:"action"`
	What    string    `json:"what,omitempty"`
	Site    string    `json:"site,omitempty"` // "*": the house as a whole
	Room    string    `json:"room,omitempty"`
	Result  string    `json:"result"`
	Detail  string    `json:"detail,omitempty"`
}

// AuditFilter chooses entries of the audit log; what is empty does not restrict.
type AuditFilter struct {
	Who, Action, What string
	Since, Until      time.Time
	Before            int64 // the next page: only lower numbers
	Limit             int   // 0: 200
}

// AuditState says whether the audit log is what was written.
type AuditState struct {
	Entries int64  `json:"entries"`          // that are as they were written, from the first on
	Broken  int64  `json:"broken,omitempty"` // number of the first that is not; 0: none
	Detail  string `json:"detail,omitempty"`
}

// Request is what somebody reported to be broken.
type Request struct {
	ID       string        `json:"id"`
	Computer string        `json:"computer,omitempty"` // name; "": of the room as a whole
	Room     string        `json:"room,omitempty"`
	Site     string        `json:"site,omitempty"`
	By       string        `json:"by,omitempty"`   // login; "": by the label on the computer
	Name     string        `json:"name,omitempty"` // as who has no account calls himself
	Text     string        `json:"text"`
	State    string        `json:"state"` // open, answered, closed
	Created  time.Time     `json:"created"`
	Changed  time.Time     `json:"changed"`
	Notes    []RequestNote `json:"notes,omitempty"`
}

// RequestNote is an answer to a request, or a change of its state.
type RequestNote struct {
	Time  time.Time `json:"time"`
	By    string    `json:"by"`
	Text  string    `json:"text,omitempty"`
	State string    `json:"state"`
}

// Report says what is broken.
type Report struct {
	Computer string `json:"computer,omitempty"`
	Room     string `json:"room,omitempty"` // without a computer: the room as a whole
	Text     string `json:"text"`
}

// Answer is what is said to who reported.
type Answer struct {
	Text string `json:"text,omitempty"`
}

// RequestFilter chooses requests; what is empty does not restrict.
type RequestFilter struct {
	State  string // open, answered or closed
	Room   string
	Before string // the next page: only lower numbers
	Limit  int    // 0: 200

	Computer string // id or name
}

// Label is what the QR code on a computer's label is made of.
type Label struct {
	Code string `json:"code"`
	Path string `json:"path"` // of the page that it opens, below the console's address
}

// Labelled is what the label on a computer says of it.
type Labelled struct {
	ID       string
	Computer string
	Room     string
	Site     string
}
