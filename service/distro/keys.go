package distro

import (
	"slices"
	"strings"
	"sync"

	"assay/inspect/inventory"
)

// signerKeys has the IDs of the keys with which distributions and others sign rpm packages.
// Source: the keys in https://github.com/rpm-software-management/distribution-gpg-keys,
// version 1.121, with their signing subkeys.
//
// A distribution publishes new keys with its releases, and others have keys that are not
// here. A package with such a key is decided by its vendor field.
//
// Oracle's keys are missing: they sign Oracle Linux and also the packages of MySQL in
// Oracle's repositories, which only the vendor field tells apart.
var signerKeys = [...]struct{ name, ids string }{
	{"AlmaLinux", `
		2ae81e8aced7258b 488fcf7c3abb34f8 51d6647ec21ad6ea d36cb86cb86b3716 dee5c11cc2a1e572`},
	{"Amazon Linux", `
		11cf1f95c87f5b1a e951904ad832c631`},
	{"Azure Linux", `
		0cd9fed33135ce90`},
	{"CentOS", `
		05b555b38483c65d 0946fca2c105b9de 0b132c3ffe837f6f 119c1a87ef1d6db8 24c6a8a7f4a80eb5 3b75cf79d0ff3d16 6c7cb6ef305d49d6
		762e65855ba5fa8d a8a447dce8562897 c78893ac8fae34bd d0f25a3cb6792c39`},
	{"Fedora", `
		0562eb6fba094068 067f00b6a82ba4b7 0727707ea15b79cc 07477e65fb4b18e6 09d879e09488fb64 1161ae6945719a39 11adc0948e1431d5
		1a185cdde372e838 1dc5c758d22e77f2 2eb161fa246110c1 32474cf834ec9cba 3e729ca7fdb36b03 4089d8f2fdb19c98 421caddb97a1071f
		4560fd4d3b921d09 49fd77499570ff31 50cb390b3c3359c4 50e94c991aca3465 5bc1b527a3cc4e62 62aec3dc6df2196f 636dea19a0a7badb
		655a4b02f577861e 68dcd160a4d647e9 6c13026d12c944d0 73bde98381b46521 75cf5ac418b8e74c 77d3a30410d90a9e 7bb90722dbbdcf7c
		7edc6ad6e8e40fde 809a8d7ceb10b464 812a6b4b64dab85d 829b606631645531 89ad4e8795a43f54 8e693b4ddf9b0ae9 92a1023d0b86274e
		96e7e91491211fce 999f7cbf38ab71f4 9d1cc34857bbccba a20aa56b429476b4 b4bb871c873529b8 b4ebf579069c8460 b8635eeb030d5aed
		bf226fcc4ebfc273 c8ac4916105ef944 d0622462e99d6ad1 d8d1fa8ca29cb19c db4639719867c58f dbeae2e4efe550f5 dbfcf71c6d9f90a6
		e08e7e629db62fb1 ed85fce3f8df67e6 ef3c111fcfc659b9 f55ad3fb5323552a f55e7430f5282ee4 ff01125cde7f38bd`},
	{"Mageia", `
		b742fa8b80420f66`},
	{"openEuler", `
		007fb747fb37bc6f 3b477c60b675600b d557065eb25e7f66`},
	{"openSUSE", `
		35a2f86e29b700a4 488c583d287a0027 8a49eb0325db7ae0 9c214d4065176565 b88b2fd43dbdc284`},
	{"Red Hat", `
		199e2f91fd431d51 219180cddb42a60e 45689c882fa658e0 5054e4a45a6340b3 5326810137017186 938a80caf21541eb f76f66c3d4082792
		fd372689897da07a`},
	{"Rocky Linux", `
		15af5dac6d745a60 4c360b7022b7fa33 5489e42bbbe2c108 5b106c736fedfc85 702d426d350d275d aa650f52d6c094fa ada2860895ae3d91`},
	{"SUSE", `
		70af9e8139db7c82 a1bfc02bd588dc46 a84edae89c800aca c7b81e4373f03759 e3a5c360307e3d54 f74f09bc3fa1d6ce fec28eaf09d9ea69`},
	{"CentOS special interest groups", `
		02e3015918848fd5 1ae110fa6e8b7e8a 21465e289d2a76a7 2a01fa2aeb3dac40 4b411a9068e964ca 4eb84e71f2ee9d55 4fd9532751bc2a13
		5aee52cbe46dcbcb 5b8e1a767ae06d54 7aebbe8261e8806c 83014ebbe16e0d12 8b444fcef56d1621 8def9614b094b96d c114980cde702ab7
		c34c5bd42f297ecc c721689cac1b1e54 d4a2e50be451e5b5 f17e745691ba8335 f9b9fee7764429e6 faf192839b4fadf2`},
	{"Docker", `
		c52feb6b621e9f35`},
	{"Elastic", `
		d27d666cd88e42b4`},
	{"EPEL", `
		119cc036217521f6 21ea45ab2f86d6a1 33d98517e37ed158 3b49df2a0608b895 6a2faea2352c64e5 8a3872bf3228467c b620c02335d447a6`},
	{"Google", `
		1397bc53640db551 32ee5355a6bc6e42 4eb27db2a3b88b8b 6494c6d6997c215e 7721f63bd38b4796 78bd65473cb3bd13 b53dc80d13edef05
		c0ba5ce6dc6315a3 e88979fb9b30acf2 f09c394c3e1ba8d5 fd533c07c264648f`},
	{"IUS", `
		644005f574271a83 e55807254b274df2`},
	{"Jenkins", `
		5ba31d57ef5975ca 9b7d32f2d50582e6`},
	{"Kubernetes", `
		234654da9a296436`},
	{"MariaDB", `
		cbcb082a1bb943db`},
	{"Microsoft", `
		b02c46df417a0893 eb3e94adbe1229cf ee4d7792f748182b`},
	{"MySQL", `
		467b942d3a79bd29 8c718d3b5072e1f5`},
	{"PostgreSQL", `
		177b343bb9738825 1f16d2e1442df0f8 3bac309a6eb425d5 40bca2b408b40d20 436733fd69246c03 64face1173e3b907 9fcd879f55b374b8`},
	{"Remi", `
		004e6f4700f97f56 061566968f1f4b2d 0714919e4c21a808 503666ccbbae6f1b 555097595f11735a 83c0639e1fef0014 b19527f1478f8947
		c2fd3b2c2a0948e4 d5933dab6defd35e e080f29f0364b949 ed5b58c5befa00e2`},
	{"RPM Fusion", `
		00166716cd30c86b 017446d1a668b376 02147f993276f4b3 0c8489d8db85ddd7 0d9a76996dc1be18 1191a7c442f19ed0 14b6792dbdda8475
		1dbde6057d838377 20c7c9d69690e4af 27d77a09a6708da3 2e59159b96ca6280 36f9f9c3e74f0522 3c837d0d6446d859 3df2ce43c0aeda6e
		563609df849c449f 5b0378c0e051b67e 63c0de8cb5f29883 6a2af96194843c65 6deef051c481937a 6f6382f9172ff33d 7403ea33296458f3
		758b3d18f5cf6c1e 81c9b42397f4d1c1 82b32dc2ab194290 87047784b9c13282 8b0f0fed5568bbb2 963a8848ae688223 979f0c69158b3811
		9c009eabd6841af8 9ce63a0354a86092 9f638721b7546f06 a0ee9d83100bcd92 a1e54a0f6806a9cb bdd6ecc41d14a795 c08d326909eab3f2
		c8f76df1a3108f6c cdd9e25cfa7a179a d26dea725ca6c469 e06f8ecdd651ff2e e4174e6baab212ea f447105d1bc7b804 fcae2ea87f858107
		fd1d33f2c8d47bb7`},
}

var signers = sync.OnceValue(func() map[string]string {
	names := make(map[string]string)
	for _, s := range signerKeys {
		for _, id := range strings.Fields(s.ids) {
			names[id] = s.name
		}
	}
	return names
})

// signer returns whose key signed an rpm package, and whether it is one of the
// distribution's. The name is empty if the package is not signed or the key is unknown.
func (d *Distribution) signer(p inventory.Package) (name string, own bool) {
	name = signers()[strings.ToLower(p.SignedBy)]
	return name, slices.Contains(d.Signers, name)
}

// Built reports whether the distribution built a package, by the key that signed it, or by
// its vendor or maintainer if that is unknown.
func (d *Distribution) Built(p inventory.Package) bool {
	if name, own := d.signer(p); name != "" {
		return own
	}
	return d.Builds(p.Vendor)
}
