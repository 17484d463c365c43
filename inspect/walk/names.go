package walk

import "bytes"

// A Rule says which files one reader wants, by name alone.
type Rule struct {
	Bases []string // whole file names, "package.json"
	Exts  []string // endings from the last dot on, ".jar"
	// Limit is how many bytes of a file may be read.
	Limit int64
}

// names is a table of rules. A file that several rules want goes to the one
// that names it whole, else to the first.
type names struct {
	rules []Rule
	bases map[string]int
	exts  map[string]int
}

func newNames(rules []Rule) *names {
	n := &names{rules: rules, bases: map[string]int{}, exts: map[string]int{}}
	for i, r := range rules {
		addFirst(n.bases, r.Bases, i)
		addFirst(n.exts, r.Exts, i)
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
// nearly every file of a tree is asked for in vain.
func (n *names) match(name []byte) (int, bool) {
	if i, ok := n.bases[string(name)]; ok {
		return i, true
	}
	if len(n.exts) == 0 {
		return 0, false
	}
	dot := bytes.LastIndexByte(name, '.')
	if dot <= 0 {
		return 0, false
	}
	i, ok := n.exts[string(name[dot:])]
	return i, ok
}
