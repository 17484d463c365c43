package cyclonedx

// A taker receives the components of a document one after another.
type taker interface {
	// reset forgets all components: a second list replaces the first.
	reset()
	// take may keep the strings of a component, but not the component or its lists.
	take(*component)
}

// A documentReader reads the structs of a document. It skips unknown members.
type documentReader struct {
	reader
	slab []component // memory for the next components
}

// document reads the used parts of a document in one pass and without reflection, because
// reading the document is most of the work of a scan. It passes the components to a taker.
// Strings share the memory of the text.
func (r *documentReader) document(to taker) (document, error) {
	var d document
	r.object(func(key string) {
		switch key {
		case "bomFormat":
			r.text(&d.BOMFormat)
		case "specVersion":
			r.text(&d.SpecVersion)
		case "metadata":
			r.metadata(&d.Metadata)
		case "components":
			r.taken(to)
		default:
			r.skip()
		}
	})
	return d, r.end()
}

// taken reads all components into the memory of one, which stays in the CPU cache.
func (r *documentReader) taken(to taker) {
	to.reset()
	var c component
	r.array(func() {
		if r.peek() != '{' {
			r.object(nil) // null, or an error
			return
		}
		c = component{Hashes: c.Hashes[:0], Evidence: evidence{c.Evidence.Occurrences[:0]}, Properties: c.Properties[:0]}
		r.component(&c)
		if r.err == nil {
			to.take(&c)
		}
	})
}

func (r *documentReader) metadata(m *metadata) {
	r.object(func(key string) {
		switch key {
		case "tools":
			r.tools(&m.Tools)
		case "component":
			r.pointed(&m.Component)
		case "properties":
			r.properties(&m.Properties)
		default:
			r.skip()
		}
	})
}

// tools reads an object with components (since 1.5) or a list (before).
func (r *documentReader) tools(t *tools) {
	if r.peek() == '[' {
		list(&r.reader, &t.Components, r.tool)
		return
	}
	r.object(func(key string) {
		if key != "components" {
			r.skip()
			return
		}
		list(&r.reader, &t.Components, r.tool)
	})
}

func (r *documentReader) tool(t *tool) {
	r.object(func(key string) {
		switch key {
		case "type":
			r.text(&t.Type)
		case "name":
			r.text(&t.Name)
		case "version":
			r.text(&t.Version)
		default:
			r.skip()
		}
	})
}

func (r *documentReader) components(to *[]*component) { list(&r.reader, to, r.pointed) }

// pointed reads a component. null means that there is none.
func (r *documentReader) pointed(to **component) {
	if r.peek() != '{' {
		*to = nil
		r.object(nil) // null, or an error
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
	r.object(func(key string) {
		switch key {
		case "type":
			r.text(&c.Type)
		case "supplier":
			if r.peek() != '{' {
				c.Supplier = nil
			} else if c.Supplier == nil {
				c.Supplier = &organization{}
			}
			r.named(c.Supplier)
		case "publisher":
			r.text(&c.Publisher)
		case "group":
			r.text(&c.Group)
		case "name":
			r.text(&c.Name)
		case "version":
			r.text(&c.Version)
		case "description":
			r.text(&c.Description)
		case "hashes":
			list(&r.reader, &c.Hashes, r.hash)
		case "cpe":
			r.text(&c.CPE)
		case "purl":
			r.text(&c.PURL)
		case "components":
			r.components(&c.Components)
		case "evidence":
			if r.peek() != '{' {
				c.Evidence = evidence{} // null
			}
			r.evidence(&c.Evidence)
		case "properties":
			r.properties(&c.Properties)
		default:
			r.skip()
		}
	})
}

func (r *documentReader) named(o *organization) {
	r.object(func(key string) {
		if key != "name" {
			r.skip()
			return
		}
		r.text(&o.Name)
	})
}

func (r *documentReader) hash(h *hash) {
	r.object(func(key string) {
		switch key {
		case "alg":
			r.text(&h.Alg)
		case "content":
			r.text(&h.Content)
		default:
			r.skip()
		}
	})
}

func (r *documentReader) evidence(e *evidence) {
	r.object(func(key string) {
		if key != "occurrences" {
			r.skip()
			return
		}
		list(&r.reader, &e.Occurrences, r.occurrence)
	})
}

func (r *documentReader) occurrence(o *occurrence) {
	r.object(func(key string) {
		switch key {
		case "location":
			r.text(&o.Location)
		case "additionalContext":
			r.text(&o.Context)
		default:
			r.skip()
		}
	})
}

func (r *documentReader) properties(to *[]property) { list(&r.reader, to, r.property) }

func (r *documentReader) property(p *property) {
	r.object(func(key string) {
		switch key {
		case "name":
			r.text(&p.Name)
		case "value":
			r.text(&p.Value)
		default:
			r.skip()
		}
	})
}
