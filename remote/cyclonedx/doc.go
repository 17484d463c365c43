// Package cyclonedx carries a scan over the wire as a software bill of
// materials, CycloneDX 1.6 JSON (ECMA-424), and reads those of other tools.
//
// What the format has a field for stands in that field: name, version, purl,
// cpe, hashes, publisher (the vendor), evidence.occurrences (where a package was
// found; its additionalContext is the reader that found it), metadata.tools (the
// client). The operating system is a component of that type. What a purl says
// need not be said again: type, architecture, source package and module label
// are read from it. All else is a property whose name begins with "assay:", and
// such a property overrides what was read elsewhere:
//
//	assay:type, assay:name, assay:version, assay:arch, assay:source,
//	assay:source-version, assay:vendor, assay:module, assay:embedded-in
//	assay:content-set, assay:hash   repeated, the whole list
//	assay:owner, assay:owner-digest the operating system package of the files
//	assay:codename, assay:id-like   of the operating system, the second repeated
//	assay:repository                the same, repeated: what it can upgrade from
//
// and among the properties of the metadata:
//
//	assay:option:ORIGIN:NAME  the value of an option; ORIGIN is "flag" or the
//	                          name of an environment variable
//	assay:partial             {"path":…,"kind":…,"error":…}, what could not be read
package cyclonedx
