package main

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/doctor"
	"github.com/ardoise/ardoise/console/door"
)

// Times of names and certificates.
const (
	namesEvery  = 5 * time.Minute     // a machine is renamed now and then
	lookupFor   = 2 * time.Second     // a name server that is down does not hold up the start
	expiresSoon = 30 * 24 * time.Hour // there is time to renew a certificate before anybody is warned of it
	nameRecent  = 24 * time.Hour      // how long a name counts by which somebody came
)

// ownNames are the names of this server: ours, those of this machine, and those that people were told; in order. What cannot
// be looked up is left out.
func ownNames(ctx context.Context, o *consoleFlags) []string {
	names := append([]string{"ardoise", "localhost"}, o.names...)
	if u, err := url.Parse(o.url); err == nil {
		names = append(names, u.Hostname())
	}
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
		if !strings.Contains(host, ".") {
			ctx, cancel := context.WithTimeout(ctx, lookupFor)
			if full, err := net.DefaultResolver.LookupCNAME(ctx, host); err == nil {
				names = append(names, full)
			}
			cancel()
		}
	}
	var out []string
	for _, name := range names {
		if name = door.HostOf(name); name != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// certify makes the server's certificate for names, and the addresses that it has now.
func (s *site) certify(names []string) error {
	s.certifying.Lock()
	defer s.certifying.Unlock()
	addresses := slices.Clone(*s.known.Load())
	var dns []string
	for _, name := range names {
		if a, err := netip.ParseAddr(name); err == nil {
			addresses = append(addresses, a)
		} else {
			dns = append(dns, name)
		}
	}
	leaf, err := s.ca.Issue(addresses, dns, time.Now())
	if err != nil {
		return err
	}
	s.leaf.Store(&leaf)
	s.certified = names
	return nil
}

// runNames makes the certificate anew when this machine's names change, or when it is about to expire.
func (s *site) runNames(ctx context.Context) error {
	return every(ctx, namesEvery, func() error {
		if err := s.recertify(ownNames(ctx, &s.o.console), time.Now()); err != nil {
			s.log.Error("issuing a certificate", "error", err)
		}
		return nil
	})
}

// recertify makes the certificate anew where it is not of these names, or is about to expire.
func (s *site) recertify(names []string, now time.Time) error {
	s.certifying.Lock()
	same := slices.Equal(names, s.certified)
	s.certifying.Unlock()
	if same && s.leaf.Load().Leaf.NotAfter.Sub(now) > expiresSoon {
		return nil
	}
	return s.certify(names)
}

// consoleLeaf is the certificate that browsers get now.
func (s *site) consoleLeaf() (*x509.Certificate, error) {
	pair, err := s.certificate(nil)
	switch {
	case err != nil:
		return nil, err
	case pair == nil || len(pair.Certificate) == 0:
		return nil, errors.New("there is none")
	case pair.Leaf != nil:
		return pair.Leaf, nil
	}
	return x509.ParseCertificate(pair.Certificate[0])
}

// covers tells whether the console's certificate has a name or an address.
func (s *site) covers(host string) bool {
	leaf, err := s.consoleLeaf()
	if err == nil {
		err = leaf.VerifyHostname(host)
	}
	return err == nil
}

// nameChecks look at the console's certificate: how long it lasts, and whether it has the names by which people come.
func (s *site) nameChecks(now time.Time) []access.Check {
	if s.console == nil {
		return nil
	}
	const name = "console certificate"
	leaf, err := s.consoleLeaf()
	if err != nil {
		return []access.Check{doctor.Bad(name, "name files that can be read: --console-cert and --console-key", "%v", err)}
	}
	renew := "renew " + s.o.console.cert + "; the daemon reads it again by itself"
	if s.o.console.cert == "" {
		renew = "restart the daemon, which makes a new one; look at this machine's clock"
	}
	until := leaf.NotAfter.Local().Format(time.DateOnly)
	var out []access.Check
	switch left := leaf.NotAfter.Sub(now); {
	case left <= 0:
		out = append(out, doctor.Bad(name, renew, "it expired on %s", until))
	case now.Before(leaf.NotBefore):
		out = append(out, doctor.Bad(name, renew, "it begins on %s only", leaf.NotBefore.Local().Format(time.DateOnly)))
	case left < expiresSoon:
		out = append(out, doctor.Warn(name, renew, "it expires on %s, in %.0f days", until, left.Hours()/24))
	}
	come := s.names.Since(now.Add(-nameRecent))
	if u, err := url.Parse(s.o.console.url); err == nil && s.o.console.url != "" {
		come = append(come, door.HostOf(u.Host))
	}
	slices.Sort(come)
	for _, host := range slices.Compact(come) {
		if s.covers(host) {
			continue // it was made anew since
		}
		add := "start the daemon with --console-name " + host
		if s.o.console.cert != "" {
			add = "have " + s.o.console.cert + " made for that name, too"
		}
		out = append(out, doctor.Warn(name, add+", or have people come by a name that it has", "people come by %s, which it does not name: their browsers warn them",
			host))
	}
	if len(out) == 0 {
		out = append(out, doctor.OK(name, "until %s, for %s", until, strings.Join(leaf.DNSNames, ", ")))
	}
	return out
}
