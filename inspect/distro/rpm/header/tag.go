package header

// A Tag names an entry of a header.
type Tag uint32

// The tags that are kept, with their numbers in rpm's rpmtag.h. Other tags cannot be
// requested.
const (
	SigPGP          Tag = 259
	SigGPG          Tag = 262
	DSAHeader       Tag = 267
	RSAHeader       Tag = 268
	OpenPGP         Tag = 278
	Name            Tag = 1000
	Version         Tag = 1001
	Release         Tag = 1002
	Epoch           Tag = 1003
	Vendor          Tag = 1011
	Packager        Tag = 1015
	Arch            Tag = 1022
	OldFileNames    Tag = 1027
	FileDigests     Tag = 1035
	SourceRPM       Tag = 1044
	DirIndexes      Tag = 1116
	BaseNames       Tag = 1117
	DirNames        Tag = 1118
	FileDigestAlgo  Tag = 5011
	ModularityLabel Tag = 5096
)

// Tags below firstTag have no data of their own; they mark the regions of a header.
const (
	firstTag  Tag = 100
	regionMin Tag = 61
	regionMax Tag = 63
)

// numTags is how many tags are kept.
const numTags = 20

// place returns the index under which a tag is kept, or -1.
func (t Tag) place() int {
	switch t {
	case Name:
		return 0
	case Version:
		return 1
	case Release:
		return 2
	case Epoch:
		return 3
	case Vendor:
		return 4
	case Packager:
		return 5
	case Arch:
		return 6
	case OldFileNames:
		return 7
	case FileDigests:
		return 8
	case SourceRPM:
		return 9
	case DirIndexes:
		return 10
	case BaseNames:
		return 11
	case DirNames:
		return 12
	case FileDigestAlgo:
		return 13
	case ModularityLabel:
		return 14
	}
	return t.signature()
}

// signature is place for the tags of signatures.
func (t Tag) signature() int {
	switch t {
	case RSAHeader:
		return 15
	case DSAHeader:
		return 16
	case OpenPGP:
		return 17
	case SigPGP:
		return 18
	case SigGPG:
		return 19
	}
	return -1
}

// The types of entries.
const (
	typeMin         = 1
	typeInt32       = 4
	typeString      = 6
	typeBin         = 7
	typeStringArray = 8
	typeI18NString  = 9
	typeMax         = 9
)
