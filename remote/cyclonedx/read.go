package cyclonedx

import "assay/remote/jsonread"

// A taker receives the components of a document one after another.
type taker interface {
	// reset forgets all components: a second list replaces the first.
	reset()
	// take may keep the strings of a component, but not the component or its lists.
	take(*component)
}

// A documentReader reads the structs of a document. It skips unknown members.
type documentReader struct {
	jsonread.Reader
	slab []component // memory for the next components
}

// document reads the used parts of a document in one pass and without reflection, because
// reading the document is most of the work of a scan. It passes the components to a taker.
// Strings share the memory of the text.
func (r *documentReader) document(to taker) (document, error) {
	var d document
	r.Object(func(key string) {
		switch key {
		case "bomFormat":
			r.String(&d.BOMFormat)
		case "specVersion":
			r.String(&d.SpecVersion)
		case "metadata":
			r.metadata(&d.Metadata)
		case "components":
			r.taken(to)
		default:
			r.Skip()
		}
	})
	return d, r.End()
}

// taken reads all components into the memory of one, which stays in the CPU cache.
func (r *documentReader) taken(to taker) {
	to.reset()
	var c component
	r.Array(func() {
		if r.Peek() != '{' {
			r.Object(nil) // null, or an error
			return
		}
		c = component{Hashes: c.Hashes[:0], Evidence: evidence{c.Evidence.Occurrences[:0]}, Properties: c.Properties[:0]}
		r.component(&c)
		if r.Err() == nil {
			to.take(&c)
		}
	})
}

func (r *documentReader) metadata(m *metadata) {
	r.Object(func(key string) {
		switch key {
		case "tools":
			r.tools(&m.Tools)
		case "component":
			r.pointed(&m.Component)
		case "properties":
			r.properties(&m.Properties)
		default:
			r.Skip()
		}
	})
}

// tools reads an object with components (since 1.5) or a list (before).
func (r *documentReader) tools(t *tools) {
	if r.Peek() == '[' {
		jsonread.List(&r.Reader, &t.Components, r.tool)
		return
	}
	r.Object(func(key string) {
		if key != "components" {
			r.Skip()
			return
		}
		jsonread.List(&r.Reader, &t.Components, r.tool)
	})
}

func (r *documentReader) tool(t *tool) {
	r.Object(func(key string) {
		switch key {
		case "type":
			r.String(&t.Type)
		case "name":
			r.String(&t.Name)
		case "version":
			r.String(&t.Version)
		default:
			r.Skip()
		}
	})
}

func (r *documentReader) components(to *[]*component) { jsonread.List(&r.Reader, to, r.pointed) }

// pointed reads a component. null means that there is none.
func (r *documentReader) pointed(to **component) {
	if r.Peek() != '{' {
		*to = nil
		r.Object(nil) // null, or an error
		return
	}
	if *to == nil {
		if len(r.slab) == 0 {
			r.slab = make([]component, 64)
		}
		*to, r.slab = &r.slab[0], r.slab[1:]
	}
	r.component(*to)
}

func (r *documentReader) component(c *component) {
	r.Object(func(key string) {
		switch key {
		case "type":
			r.String(&c.Type)
		case "supplier":
			if r.Peek() != '{' {
				c.Supplier = nil
			} else if c.Supplier == nil {
				c.Supplier = &organization{}
			}
			r.named(c.Supplier)
		case "publisher":
			r.String(&c.Publisher)
		case "group":
			r.String(&c.Group)
		case "name":
			r.String(&c.Name)
		case "version":
			r.String(&c.Version)
		case "description":
			r.String(&c.Description)
		case "hashes":
			jsonread.List(&r.Reader, &c.Hashes, r.hash)
		case "cpe":
			r.String(&c.CPE)
		case "purl":
			r.String(&c.PURL)
		case "components":
			r.components(&c.Components)
		case "evidence":
			if r.Peek() != '{' {
				c.Evidence = evidence{} // null
			}
			r.evidence(&c.Evidence)
		case "properties":
			r.properties(&c.Properties)
		default:
			r.Skip()
		}
	})
}

func (r *documentReader) named(o *organization) {
	r.Object(func(key string) {
		if key != "name" {
			r.Skip()
			return
		}
		r.String(&o.Name)
	})
}

func (r *documentReader) hash(h *hash) {
	r.Object(func(key string) {
		switch key {
		case "alg":
			r.String(&h.Alg)
		case "content":
			r.String(&h.Content)
		default:
			r.Skip()
		}
	})
}

func (r *documentReader) evidence(e *evidence) {
	r.Object(func(key string) {
		if key != "occurrences" {
			r.Skip()
			return
		}
		jsonread.List(&r.Reader, &e.Occurrences, r.occurrence)
	})
}

func (r *documentReader) occurrence(o *occurrence) {
	r.Object(func(key string) {
		switch key {
		case "location":
			r.String(&o.Location)
		case "additionalContext":
			r.String(&o.Context)
		default:
			r.Skip()
		}
	})
}

func (r *documentReader) properties(to *[]property) { jsonread.List(&r.Reader, to, r.property) }

func (r *documentReader) property(p *property) {
	r.Object(func(key string) {
		switch key {
		case "name":
			r.String(&p.Name)
		case "value":
			r.String(&p.Value)
		default:
			r.Skip()
		}
	})
}
