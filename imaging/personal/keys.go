package personal

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"math/big"
)

// comment is what the keys are called: the name of a computer may change, its keys do not.
const comment = "ardoise"

// p256Order is the number of points of the curve NIST P-256 (FIPS 186-5, SP 800-186 section 3.2.1.3).
const p256Order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"

// Keys makes the SSH host keys of one computer, an Ed25519 and an ECDSA one on P-256, as OpenSSH has them: content by path,
// private keys in the format openssh-key-v1 without a passphrase. The same seed gives the same files, so a reset does
// not change what a computer is known by; a seed must be random, of one computer only, and as secret as the keys.
// There is no RSA key: it could not be made anew in an instant, and nothing needs one today.
func Keys(seed [32]byte) (map[string][]byte, error) {
	secret, err := hkdf.Key(sha256.New, seed[:], nil, "ardoise ssh host key ed25519", ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	wide, err := hkdf.Key(sha256.New, seed[:], nil, "ardoise ssh host key ecdsa", 48) // 128 bits more than needed: no bias
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	key := ed25519.NewKeyFromSeed(secret)
	public := key.Public().(ed25519.PublicKey)
	files(out, dirSSH+"/ssh_host_ed25519_key", text("ssh-ed25519", string(public)), text(string(key)))

	order, _ := new(big.Int).SetString(p256Order, 16)
	one := big.NewInt(1)
	d := new(big.Int).SetBytes(wide)
	d.Add(d.Mod(d, new(big.Int).Sub(order, one)), one) // 1 ..= order - 1
	point, err := ecdh.P256().NewPrivateKey(d.FillBytes(make([]byte, 32)))
	if err != nil {
		return nil, err
	}
	files(out, dirSSH+"/ssh_host_ecdsa_key", text("ecdsa-sha2-nistp256", "nistp256", string(point.PublicKey().Bytes())), text(mpint(d)))
	return out, nil
}

// MachineID makes the machine-id of one computer from the seed that Keys takes: a random UUID (RFC 9562 section 5.4)
// without hyphens, as machine-id(5) wants it.
func MachineID(seed [32]byte) (string, error) {
	b, err := hkdf.Key(sha256.New, seed[:], nil, "ardoise machine-id", 16)
	if err != nil {
		return "", err
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return hex.EncodeToString(b), nil
}

// text is strings as SSH writes them: a length of four bytes, big-endian, before each (RFC 4251 section 5).
func text(list ...string) []byte {
	var b []byte
	for _, s := range list {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return b
}

// mpint is a positive number as SSH writes it: no zeros in front but one where the highest bit is set.
func mpint(n *big.Int) string {
	b := n.Bytes()
	if len(b) > 0 && b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return string(b)
}

// files adds both files of a key: the public blob (type and numbers) and what the private one has more.
func files(out map[string][]byte, path string, public, private []byte) {
	kind := string(public[4 : 4+binary.BigEndian.Uint32(public)])
	sum := sha256.Sum256(append([]byte("check"), private...)) // twice the same number: tells a wrong passphrase, of which there is none
	secret := append([]byte(nil), sum[:4]...)
	secret = append(append(append(secret, sum[:4]...), public...), private...)
	secret = append(secret, text(comment)...)
	for i := byte(1); len(secret)%8 != 0; i++ {
		secret = append(secret, i)
	}
	blob := append([]byte("openssh-key-v1\x00"), text("none", "none", "")...)
	blob = binary.BigEndian.AppendUint32(blob, 1)
	blob = append(blob, text(string(public), string(secret))...)
	out[path] = pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: blob})
	out[path+".pub"] = []byte(kind + " " + base64.StdEncoding.EncodeToString(public) + " " + comment + "\n")
}
