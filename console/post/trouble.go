package post

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"net/url"
	"os"
	"strings"

	"github.com/wneessen/go-mail"
)

// The ways that a report goes.
const (
	WayMail = "mail"
	WayHook = "hook"
)

// Why a report was not taken. They are codes of console/notices.
const (
	MailNoName     = "mail-no-name"     // nobody knows the server's name
	MailNoAnswer   = "mail-no-answer"   // nothing answers there, or not in time
	MailNoSMTP     = "mail-no-smtp"     // what answers there does not speak as it should: TLS at a port without, and the other way round
	MailNoStartTLS = "mail-no-starttls" // the server does not offer it
	MailUntrusted  = "mail-untrusted"   // nobody vouches for the server's certificate
	MailLogin      = "mail-login"       // user and password are refused
	MailNoLogin    = "mail-no-login"    // the server lets nobody log in like this
	MailFrom       = "mail-from"        // the sender is refused
	MailTo         = "mail-to"          // a recipient is refused
	MailRefused    = "mail-refused"     // the server says something else
	HookNoName     = "hook-no-name"     // nobody knows the host's name
	HookNoAnswer   = "hook-no-answer"   // nothing answers there, or not in time
	HookUntrusted  = "hook-untrusted"   // nobody vouches for the host's certificate
	HookRefused    = "hook-refused"     // it answers with another status than 2xx, or not by HTTP
	Unread         = "post-unread"      // the file of the settings cannot be read, or makes no sense: there are none
)

// TroubleError says why a report was not taken.
type TroubleError struct {
	Way   string // WayMail or WayHook; "": none is known
	Code  string // one of the constants above
	Where string // HOST:PORT of the server, or the host of the hook: its path may be a secret; of Unread the file
	Says  string // what the other side, or the network, said; without line ends
	Err   error  // nil where the other side said it
}

// Error implements error.
func (e *TroubleError) Error() string {
	if e.Code == Unread {
		return e.Says
	}
	return fmt.Sprintf("sending a report to %s: %s: %s", e.Where, e.Code, e.Says)
}

// Unwrap returns what went wrong below.
func (e *TroubleError) Unwrap() error { return e.Err }

// Troubles lists the troubles of several ways that were joined in one error.
func Troubles(err error) (out []*TroubleError) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			out = append(out, Troubles(e)...)
		}
		return out
	}
	var one *TroubleError
	if errors.As(err, &one) {
		out = append(out, one)
	}
	return out
}

// mailTrouble says what a mail server's refusal means; greeting: before anything of the letter was sent.
func mailTrouble(ctx context.Context, m Mail, err error, greeting bool) error {
	out := &TroubleError{Way: WayMail, Where: m.Server, Err: err, Says: printable(innermost(err)), Code: MailRefused}
	var (
		said  *textproto.Error
		sent  *mail.SendError
		plain tls.RecordHeaderError
	)
	switch {
	case network(ctx, err) == unknownName:
		out.Code = MailNoName
	case network(ctx, err) == untrusted:
		out.Code = MailUntrusted
	case errors.As(err, &plain), errors.As(err, new(textproto.ProtocolError)):
		out.Code = MailNoSMTP
	case network(ctx, err) == noAnswer:
		out.Code = MailNoAnswer
		if m.TLS != Implicit && silentGreeting(err) {
			out.Code = MailNoSMTP // most likely it waits for TLS
		}
	case errors.As(err, &sent):
		out.Says, _, _ = strings.Cut(strings.TrimPrefix(out.Says, sent.Reason.String()+": "), ", affected message ID:")
		switch sent.Reason {
		case mail.ErrSMTPMailFrom:
			out.Code = MailFrom
		case mail.ErrSMTPRcptTo:
			out.Code = MailTo
		}
	case greeting && m.TLS == StartTLS && strings.Contains(err.Error(), "STARTTLS"): // the library has no type for it
		out.Code, out.Says = MailNoStartTLS, ""
	case errors.As(err, &said) && (said.Code == 535 || said.Code == 534 || said.Code == 538 || said.Code == 454), greeting && m.User != "" && errors.As(err, &said):
		out.Code, out.Says = MailLogin, printable(fmt.Sprintf("%d %s", said.Code, said.Msg))
	case errors.Is(err, mail.ErrNoSupportedAuthDiscovered), greeting && strings.Contains(err.Error(), "AUTH"):
		out.Code = MailNoLogin
	}
	return out
}

// silentGreeting tells whether a server took the connection and then said nothing, as one does that waits for TLS.
func silentGreeting(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "read" && op.Timeout()
}

// hookTrouble says why a hook was not reached.
func hookTrouble(ctx context.Context, u *url.URL, err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err // it would say the whole address, which may hold a secret
	}
	out := &TroubleError{Way: WayHook, Where: u.Host, Err: err, Says: printable(innermost(err)), Code: HookRefused}
	switch network(ctx, err) {
	case unknownName:
		out.Code = HookNoName
	case untrusted:
		out.Code = HookUntrusted
	case noAnswer:
		out.Code = HookNoAnswer
	}
	return out
}

// innermost is what the network or the system said, without what was being done on the way down.
func innermost(err error) string {
	var (
		name *net.DNSError
		op   *net.OpError
		cert *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &name):
		return name.Err
	case errors.As(err, &cert):
		return cert.Err.Error()
	case errors.As(err, &op):
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	return err.Error()
}

// What the network does not do.
const (
	other = iota
	unknownName
	noAnswer
	untrusted
)

func network(ctx context.Context, err error) int {
	var (
		name *net.DNSError
		cert *tls.CertificateVerificationError
		op   *net.OpError
		slow net.Error
	)
	switch {
	case errors.As(err, &name):
		return unknownName
	case errors.As(err, &cert):
		return untrusted
	case errors.As(err, &op) && op.Op != "remote error", errors.As(err, &slow) && slow.Timeout(), ctx.Err() != nil:
		return noAnswer
	}
	return other
}

// maxSays bounds what another server says of itself, in characters.
const maxSays = 300

// printable is a server's words on one line.
func printable(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == ' ' }), " ")
	if r := []rune(s); len(r) > maxSays {
		s = string(r[:maxSays]) + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
