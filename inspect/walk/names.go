package walk

import "bytes"

// A Rule says which files one reader wants.
type Rule struct {
	Bases []string // whole file names, "package.json"
	Exts  []string // endings from the last dot on, ".jar"
	// Programs wants the programs and libraries that no rule wants by name: the
	// files of at least minProgram bytes that begin as ELF does. One rule may
	// want them.
	Programs bool
	// Wants, unless it is nil, is asked with the path of a file of such a name
	// before it is opened, and says whether it is wanted there.
	Wants func(path string) bool
	// Limit is how many bytes of a file may be read.
	Limit int64
}

// names is a table of rules. A file that several rules want goes to the one
// that names it whole, else to the first.
type names struct {
	rules    []Rule
	bases    map[string]int
	exts     map[string]int
	programs int // the rule that wants programs, or -1
	data     map[string]bool
}

func newNames(rules []Rule) *names {
	n := &names{rules: rules, bases: map[string]int{}, exts: map[string]int{}, programs: -1, data: dataExts()}
	for i, r := range rules {
		addFirst(n.bases, r.Bases, i)
		addFirst(n.exts, r.Exts, i)
		if r.Programs && n.programs < 0 {
			n.programs = i
		}
	}
	return n
}

func addFirst(m map[string]int, keys []string, rule int) {
	for _, k := range keys {
		if _, taken := m[k]; !taken {
			m[k] = rule
		}
	}
}

// match returns the rule that wants a file of this name. It allocates nothing:
// nearly every file of a tree is asked for in vain. maybe says that no rule wants
// the name, and that it may be a program's.
func (n *names) match(name []byte) (rule int, wanted, maybe bool) {
	if i, ok := n.bases[string(name)]; ok {
		return i, true, false
	}
	dot := bytes.LastIndexByte(name, '.')
	if dot <= 0 {
		return n.programs, false, n.programs >= 0
	}
	ext := name[dot:]
	if i, ok := n.exts[string(ext)]; ok {
		return i, true, false
	}
	return n.programs, false, n.programs >= 0 && !n.data[string(ext)]
}
