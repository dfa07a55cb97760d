package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/console/door"
	"github.com/ardoise/ardoise/console/oidc"
	"github.com/ardoise/ardoise/console/post"
	"github.com/ardoise/ardoise/console/web"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/requests"
	"github.com/ardoise/ardoise/pxe"
)

// consoleFlags say where the console is and how people log in.
type consoleFlags struct {
	address   string   // "": there is none
	cert, key string   // files; "": the site's own authority certifies it
	url       string   // of the console, as people write it; "": its address
	names     []string // by which people find this server, besides its own

	issuer, client, claim, login string
	name                         string // of the provider, on its button
	scopes                       []string
	roles                        []string // VALUE=ROLE or VALUE=ROLE:PLACE,PLACE
}

// oidcSecret is the variable with the client secret of OpenID Connect: on a command line everybody would read it.
const oidcSecret = "ARDOISE_OIDC_SECRET"

func (o *consoleFlags) add(f *pflag.FlagSet) {
	f.StringVar(&o.address, "console", ":8443", "address of the console and the API, by HTTPS; \"\": none")
	f.StringVar(&o.cert, "console-cert", "", "file with the console's certificate and its chain (default: one of the site's own authority)")
	f.StringVar(&o.key, "console-key", "", "file with its key")
	f.StringVar(&o.url, "console-url", "", "how people reach the console, as https://ardoise.school.example (default: by its address)")
	f.StringSliceVar(&o.names, "console-name", nil, "a name or address by which people find this server, for its certificate; "+
		"repeatable (always in it: ardoise, this machine's own names and addresses, and the name in --console-url)")
	f.StringVar(&o.issuer, "oidc-issuer", "", "OpenID Connect: the provider's issuer; its client secret is in "+oidcSecret)
	f.StringVar(&o.client, "oidc-client", "ardoise", "OpenID Connect: our client id; the provider sends people back to URL/oidc/callback")
	f.StringVar(&o.name, "oidc-name", "", "OpenID Connect: name of the provider, on its button")
	f.StringVar(&o.claim, "oidc-claim", "", "OpenID Connect: claim that roles are given by (default groups)")
	f.StringVar(&o.login, "oidc-login", "", "OpenID Connect: claim that logins are made of (default preferred_username)")
	f.StringSliceVar(&o.scopes, "oidc-scope", nil, "OpenID Connect: scope to ask for besides openid, profile and email, as groups; repeatable")
	f.StringArrayVar(&o.roles, "oidc-role", nil, "OpenID Connect: VALUE=ROLE gives that role to who has that value, VALUE=ROLE:PLACE,PLACE only in "+
		"these sites, or rooms of a teacher, as UAI0751234A=technician:zola; repeatable; without, roles are given in the console")
}

// check refuses what makes no sense before anything is opened.
func (o *consoleFlags) check() error {
	if (o.cert == "") != (o.key == "") {
		return usagef("--console-cert and --console-key belong together")
	}
	if o.url != "" && !strings.HasPrefix(o.url, "https://") {
		return usagef("--console-url begins with https://, not %q", o.url)
	}
	o.names = splitList(o.names)
	for _, name := range o.names {
		if door.HostOf(name) != strings.ToLower(name) {
			return usagef("--console-name is a name like ardoise.school.example, or an address, not %q", name)
		}
	}
	if o.issuer != "" && o.url == "" {
		return usagef("--oidc-issuer needs --console-url: the provider sends people back there")
	}
	_, _, err := o.mapped()
	return err
}

// mapped reads --oidc-role: roles and places by value. A value may have equals signs, as the names of directories do.
func (o *consoleFlags) mapped() (roles map[string]people.Role, placed map[string][]string, err error) {
	roles, placed = map[string]people.Role{}, map[string][]string{}
	for _, s := range o.roles {
		at := strings.LastIndexByte(s, '=')
		name, places, narrow := strings.Cut(s[at+1:], ":")
		role := people.Role(name)
		list := splitList([]string{places})
		if at <= 0 || !role.Valid() || narrow && (len(list) == 0 || role == people.Administrator || slices.Contains(list, people.Whole)) {
			return nil, nil, usagef("--oidc-role is VALUE=ROLE or VALUE=ROLE:PLACE,PLACE, ROLE one of administrator, which has all places, "+
				"technician, teacher and reader, not %q", s)
		}
		if _, twice := roles[s[:at]]; twice {
			return nil, nil, usagef("--oidc-role gives %q twice", s[:at])
		}
		if roles[s[:at]] = role; narrow {
			placed[s[:at]] = list
		}
	}
	return roles, placed, nil
}

// openPeople loads who may do what, what they report, and where reports go.
func (s *site) openPeople(ctx context.Context) error {
	var err error
	if s.people, err = people.Open(ctx, people.Options{Store: s.store, Log: s.log.With("part", "people")}); err != nil {
		return err
	}
	if s.requests, err = requests.Open(ctx, requests.Options{Store: s.store}); err != nil {
		return err
	}
	s.post = post.Open(post.Options{Path: filepath.Join(s.o.data, postName), Source: s.report, Sites: s.audiences,
		Log: s.log.With("part", "post")})
	return nil
}

// settleEvery is how often refused logins that were only counted are looked at.
const settleEvery = time.Minute

// runPeople writes down what is counted at the door.
func (s *site) runPeople(ctx context.Context) error {
	defer s.people.Settle(context.WithoutCancel(ctx), true)
	return every(ctx, settleEvery, func() error { s.people.Settle(ctx, false); return nil })
}

// openConsole takes the console's address.
func (s *site) openConsole(ctx context.Context) error {
	o := &s.o.console
	if o.address == "" {
		return nil
	}
	s.certificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.leaf.Load(), nil }
	if o.cert != "" {
		files := &certFiles{cert: o.cert, key: o.key}
		if _, err := files.get(nil); err != nil {
			return err
		}
		s.certificate = files.get
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", o.address)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			_, port, _ := net.SplitHostPort(o.address)
			n, _ := net.LookupPort("tcp", port)
			return &pxe.PortInUseError{Port: n, Network: "tcp", For: "the console"}
		}
		return fmt.Errorf("listening for the console: %w", err)
	}
	s.console = tls.NewListener(door.Share(l, maxEach, maxConsole), &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: s.certificate,
		NextProtos: []string{"h2", "http/1.1"}})
	return nil
}

// The bounds of the console's connections. A school may come from one address, its proxy's.
const (
	maxEach    = 1024             // of an address
	maxConsole = 4096             // in all; of more the oldest of the greediest gives way
	pieceTime  = 30 * time.Second // for each 32 KiB of an answer to be taken; streams have their own times
)

// certFiles are a certificate and its key as they are on the disk: who renews them need not restart us.
type certFiles struct {
	cert, key string

	mu   sync.Mutex
	at   time.Time // modification of the certificate's file
	pair *tls.Certificate
}

// get returns the certificate. One that cannot be read does not replace the one before.
func (c *certFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(c.cert)
	if err == nil && info.ModTime().Equal(c.at) && c.pair != nil {
		return c.pair, nil
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(c.cert, c.key); err == nil {
			c.at, c.pair = info.ModTime(), &pair
		}
	}
	if c.pair != nil {
		return c.pair, nil
	}
	return nil, fmt.Errorf("reading the console's certificate: %w", err)
}

// redirectPath is where a provider sends people back to.
const redirectPath = "/oidc/callback"

// provider is where people log in with an account of the school's; nil without one.
func (s *site) provider() (*oidc.Provider, error) {
	o := &s.o.console
	if o.issuer == "" {
		return nil, nil
	}
	roles, places, err := o.mapped()
	if err != nil {
		return nil, err
	}
	key, err := keyFile(filepath.Join(s.o.data, filepath.FromSlash(cookieKeyName)))
	if err != nil {
		return nil, err
	}
	return oidc.New(oidc.Options{Issuer: o.issuer, ClientID: o.client, ClientSecret: os.Getenv(oidcSecret), Key: key, Roles: roles, Places: places, Claim: o.claim,
		Login: o.login, Scopes: o.scopes,
		RedirectURL: strings.TrimSuffix(o.url, "/") + redirectPath})
}

// runConsole serves the console and the API until ctx ends.
func (s *site) runConsole(ctx context.Context) error {
	handler, err := s.consoleHandler(ctx)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog: slog.NewLogLogger(s.log.With("part", "console").Handler(), slog.LevelDebug)} // strangers' handshakes
	return door.Serve(ctx, srv, func() error { return srv.Serve(s.console) })
}

// consoleHandler is the API below /api/, what Prometheus asks for, and the pages everywhere else.
func (s *site) consoleHandler(ctx context.Context) (http.Handler, error) {
	provider, err := s.provider()
	if err != nil {
		return nil, err
	}
	pages := web.Server{House: s.house, People: s.people, OIDC: provider, OIDCName: s.o.console.name, Log: s.log.With("part", "console"),
		MenuHash: func(phrase, keyboard string) ([]string, error) { return menuHash(phrase, keyboard, rand.Reader) }}
	console, err := pages.Handler(ctx)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	who := api.Web(s.people)
	mux.Handle("/", s.metrics.Watch("console", console))
	mux.Handle("/api/", s.metrics.Watch("api", s.apiServer().Handler(who)))
	s.watched(mux, s.metrics, who)
	known := func(r *http.Request) bool {
		_, err := who(r)
		return err == nil
	}
	return door.Patient(s.names.Watch(mux, s.covers, known), pieceTime), nil
}

// consoleAddress is where people find the console: how they write it, else its first address.
func (s *site) consoleAddress() string {
	if s.console == nil {
		return ""
	}
	if s.o.console.url != "" {
		return strings.TrimSuffix(s.o.console.url, "/")
	}
	at, err := netip.ParseAddrPort(s.console.Addr().String())
	if err != nil {
		return "https://" + s.console.Addr().String()
	}
	if at.Addr().IsUnspecified() {
		address := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		for _, a := range *s.known.Load() {
			if !a.IsLoopback() {
				address = a
				break
			}
		}
		at = netip.AddrPortFrom(address, at.Port())
	}
	return "https://" + at.String()
}

// announceFirst prints the link by which the first administrator is made, while there is none.
func (s *site) announceFirst(ctx context.Context, stderr io.Writer) error {
	if s.console == nil {
		return nil
	}
	secret, needed, err := s.people.First(ctx)
	if err == nil && needed {
		_, _ = fmt.Fprintf(stderr, "ardoise: %s\nardoise: first %s/first/%s\n", pick(language(),
			"nobody is administrator yet: open this link in a browser; it counts once, and until the daemon is started again",
			"personne n'est encore administrateur : ouvrez ce lien dans un navigateur ; il sert une fois, jusqu'au prochain démarrage du service"),
			s.consoleAddress(), secret)
	}
	return err
}
