package rpm

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"

	"assay/inspect/distro/rpm/header"
)

// maxSignature is how many bytes of a signature are read. The key is named before the
// numbers of the signature itself.
const maxSignature = 1 << 10

// signedBy returns the ID of the key that signed a package, 16 hexadecimal digits, or "" if
// the package has no signature that names its key. The signature is not verified. Of several
// signatures the first that names its key counts, those of the header before those of
// header and payload, which only old versions of rpm write.
func (r *reader) signedBy() string {
	var buf [maxSignature]byte
	for _, tag := range [...]header.Tag{header.RSAHeader, header.DSAHeader, header.OpenPGP, header.SigPGP, header.SigGPG} {
		if r.err != nil {
			return ""
		}
		var sig []byte
		sig, r.err = r.h.Prefix(tag, buf[:])
		if tag == header.OpenPGP {
			n, _ := base64.StdEncoding.Decode(sig, sig[:len(sig)&^3])
			sig = sig[:n]
		}
		if id := issuer(sig); id != "" {
			return id
		}
	}
	return ""
}

// issuer returns the ID of the key that made an OpenPGP signature, 16 hexadecimal digits, or
// "" if sig does not begin with a signature packet that names the key. sig may be cut off
// after the key. The format is that of RFC 9580, in versions 3, 4 and 6.
func issuer(sig []byte) string {
	var id []byte
	body := signaturePacket(sig)
	switch {
	case len(body) < 6:
	case body[0] == 3 && len(body) >= 15: // after the type, the time and their size
		id = body[7:15]
	case body[0] == 4:
		id = subpackets(body[4:], 2)
	case body[0] == 6:
		id = subpackets(body[4:], 4)
	}
	if bytes.Count(id, []byte{0}) == len(id) { // no key, or an anonymous one
		return ""
	}
	return hex.EncodeToString(id)
}

// signaturePacket returns the body of the signature packet at the beginning of b, or nil if
// b does not begin with one. If b ends within the packet, the body ends there too.
func signaturePacket(b []byte) []byte {
	const signature = 2
	if len(b) < 6 {
		return nil
	}
	var head int
	var size uint64
	switch first := b[0]; {
	case first&0xc0 == 0xc0 && first&0x3f == signature:
		n, length, ok := packetLength(b[1:])
		if !ok {
			return nil
		}
		head, size = 1+n, length
	case first&0xc0 == 0x80 && first>>2&0xf == signature:
		switch first & 3 {
		case 0:
			head, size = 2, uint64(b[1])
		case 1:
			head, size = 3, uint64(binary.BigEndian.Uint16(b[1:]))
		case 2:
			head, size = 5, uint64(binary.BigEndian.Uint32(b[1:]))
		default: // up to the end of the data
			head, size = 1, uint64(len(b))
		}
	default:
		return nil
	}
	b = b[head:]
	return b[:min(size, uint64(len(b)))]
}

// packetLength returns a length in the form of new packets and of subpackets, and how many
// bytes it takes. It is not ok if b is too short, or if the length is that of a part.
func packetLength(b []byte) (n int, length uint64, ok bool) {
	switch {
	case len(b) == 0:
	case b[0] < 192:
		return 1, uint64(b[0]), true
	case b[0] < 224 && len(b) >= 2:
		return 2, uint64(b[0]-192)<<8 + uint64(b[1]) + 192, true
	case b[0] == 255 && len(b) >= 5:
		return 5, uint64(binary.BigEndian.Uint32(b[1:])), true
	}
	return 0, 0, false
}

// subpackets returns the ID of the key that the first of the subpackets in b names that
// names one, or nil. b begins with the hashed subpackets, and those that are not hashed
// follow; both are preceded by their size, which takes width bytes.
func subpackets(b []byte, width int) []byte {
	const issuerID, issuerFingerprint = 16, 33
	for range 2 {
		if len(b) < width {
			return nil
		}
		size := uint64(binary.BigEndian.Uint16(b[width-2:]))
		if width == 4 {
			size = uint64(binary.BigEndian.Uint32(b))
		}
		b = b[width:]
		list := b[:min(size, uint64(len(b)))]
		b = b[len(list):]
		for len(list) > 0 {
			n, length, ok := packetLength(list)
			if !ok || length == 0 || length > uint64(len(list)-n) {
				return nil
			}
			p := list[n : n+int(length)]
			list = list[n+int(length):]
			switch typ := p[0] & 0x7f; { // the highest bit: must be understood
			case typ == issuerID && len(p) == 1+8:
				return p[1:]
			case typ == issuerFingerprint && len(p) == 2+20: // of version 4
				return p[2+12:]
			case typ == issuerFingerprint && len(p) == 2+32: // of version 6
				return p[2 : 2+8]
			}
		}
	}
	return nil
}
