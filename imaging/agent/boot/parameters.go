package boot

import (
	"encoding/hex"
	"fmt"
	"net"
	"strings"

	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
)

// ParamLang is the kernel parameter that chooses the language of the screen: fr (default) or en.
const ParamLang = "ardoise.lang"

// The values of job.ParamOrigin.
const (
	originDisk    = "disk"
	originNetwork = "network"
)

// Parameters are what the kernel command line says to the agent. Anybody on the network can read them.
type Parameters struct {
	Server string           // HOST:PORT
	CA     [32]byte         // SHA-256 of the CA certificate's DER
	MAC    net.HardwareAddr // nil: not told
	Stay   bool
	Lang   notices.Lang
	Wish   string // what was chosen in the start menu: job.ParamWish; one that is not known is none
	Origin string // where the menu came from: disk or network

	StageTwo string // hash of the stage two that the loader has loaded too; "" for none
}

// ParameterError says which parameter is missing or makes no sense.
type ParameterError struct{ Name, Value string }

// Error implements error.
func (e *ParameterError) Error() string {
	if e.Value == "" {
		return e.Name + " is missing"
	}
	return fmt.Sprintf("%s=%q makes no sense", e.Name, e.Value)
}

// ParseParameters reads a kernel command line. With *ParameterError the other parameters are still filled in, so that
// the fault can be told in the right language.
func ParseParameters(line string) (Parameters, error) {
	p := Parameters{Lang: notices.French}
	values := map[string]string{}
	for _, w := range words(line) {
		name, value, _ := strings.Cut(w, "=")
		values[name] = value
	}
	if values[ParamLang] == string(notices.English) {
		p.Lang = notices.English
	}
	p.Stay = values[job.ParamStay] == "1"
	p.Origin = originNetwork
	if values[job.ParamOrigin] == originDisk {
		p.Origin = originDisk
	}
	switch w := values[job.ParamWish]; w {
	case job.WishReset, job.WishReinstall, job.WishInventory, job.WishRescue, job.WishWork:
		p.Wish = w
	}
	if b, err := hex.DecodeString(values[job.ParamStageTwo]); err == nil && len(b) == 32 {
		p.StageTwo = values[job.ParamStageTwo]
	}
	mac := values[job.ParamMAC]
	if mac == "" {
		mac = values["BOOTIF"]
	}
	p.MAC = parseMAC(mac)
	p.Server = values[job.ParamServer]
	if host, port, err := net.SplitHostPort(p.Server); err != nil || host == "" || port == "" {
		return p, &ParameterError{job.ParamServer, p.Server}
	}
	ca, err := hex.DecodeString(values[job.ParamCA])
	if err != nil || len(ca) != len(p.CA) {
		return p, &ParameterError{job.ParamCA, values[job.ParamCA]}
	}
	copy(p.CA[:], ca)
	return p, nil
}

// parseMAC takes aa:bb:cc:dd:ee:ff in any case with any of : - . or nothing between, and BOOTIF's form with the ARP
// hardware type before it (01-aa-bb-...). It returns nil for anything else.
func parseMAC(s string) net.HardwareAddr {
	s = strings.NewReplacer(":", "", "-", "", ".", "").Replace(s)
	b, err := hex.DecodeString(s)
	if err == nil && len(b) == 7 && b[0] == 1 {
		b = b[1:]
	}
	if err != nil || len(b) != 6 {
		return nil
	}
	return b
}

// words cuts a command line at spaces outside double quotes, as the kernel does.
func words(line string) []string {
	var list []string
	var word strings.Builder
	quoted := false
	for _, r := range line {
		switch {
		case r == '"':
			quoted = !quoted
		case !quoted && (r == ' ' || r == '\t' || r == '\n'):
			if word.Len() > 0 {
				list = append(list, word.String())
				word.Reset()
			}
		default:
			word.WriteRune(r)
		}
	}
	if word.Len() > 0 {
		list = append(list, word.String())
	}
	return list
}
