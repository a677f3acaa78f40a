package pages

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"time"

	"pilothouse/web/messages"
	"pilothouse/web/view"

	rbacv1 "k8s.io/api/rbac/v1"
)

// fieldFact is a fact that stands in one field of an object.
type fieldFact struct {
	_ view.Incomparable

	name messages.Text
	path string // as dig takes it
	// group and resource are of the object without a namespace that it names, if it
	// is a name.
	group, resource string
}

// factsBlock is the block of a kind that has nothing else of its own.
func (c *Call) factsBlock(title messages.Text, list []fieldFact, o *loaded) []view.Block {
	var f factList
	for _, one := range list {
		c.fieldFact(&f, one, dig(o.object.Object, one.path))
	}
	return []view.Block{{Title: title, Facts: f}}
}

func (c *Call) fieldFact(f *factList, one fieldFact, value any) {
	s := text(value)
	if b, ok := value.(bool); ok {
		s = c.yesNo(b)
	}
	if _, err := time.Parse(time.RFC3339, s); err == nil {
		f.moment(one.name, s)
	} else if a, ok := c.served(one.group, one.resource); ok && s != "" {
		f.link(one.name, s, objectPath(a.gvr, "", s))
	} else {
		f.add(one.name, s)
	}
}

// leaseBlocks are who holds a lease, and whether it is held yet.
func leaseBlocks(_ context.Context, c *Call, o *loaded) []view.Block {
	spec := o.object.Object["spec"]
	var f factList
	holder := digText(spec, "holderIdentity")
	if o.namespace == "kube-node-lease" {
		f.link("Holder", holder, nodeHref(holder))
	} else {
		f.add("Holder", holder)
	}
	f.add("Held for", secondsText(dig(spec, "leaseDurationSeconds")))
	f.moment("Renewed", digText(spec, "renewTime"))
	f.moment("Acquired", digText(spec, "acquireTime"))
	f.add("Changes of the holder", digText(spec, "leaseTransitions"))
	if at, err := time.Parse(time.RFC3339, digText(spec, "renewTime")); err == nil && holder != "" {
		state := toned(c.T("held"), view.Good)
		if end := at.Add(time.Duration(digInt(spec, "leaseDurationSeconds")) * time.Second); c.Clock().After(end) {
			state = toned(c.T("ran out"), view.Warn)
		} else {
			o.until(end)
		}
		f = append(f, view.Fact{Name: "State", Cell: state})
	}
	return []view.Block{{Title: "Lease", Facts: f}}
}

// apiServiceBlocks are which group and version is served by whom.
func apiServiceBlocks(_ context.Context, c *Call, o *loaded) []view.Block {
	spec := o.object.Object["spec"]
	var f factList
	f.add("Group", digText(spec, "group"))
	f.add("Version", digText(spec, "version"))
	if name := digText(spec, "service name"); name != "" {
		port := digText(spec, "service port")
		if port == "" {
			port = "443"
		}
		namespace := digText(spec, "service namespace")
		f.link("Served by", namespace+"/"+name+":"+port, objectPath(core("services"), namespace, name))
		f.add("Certificate is checked", c.yesNo(dig(spec, "insecureSkipTLSVerify") != true))
	} else {
		f.add("Served by", c.T("this server"))
	}
	f.add("Priority", digText(spec, "groupPriorityMinimum")+" / "+digText(spec, "versionPriority"))
	blocks := []view.Block{{Title: "API", Facts: f}}
	if b := c.certificateBlock(o, digText(spec, "caBundle")); b.Facts != nil {
		b.Title = "Certificate of who signs"
		blocks = append(blocks, b)
	}
	return blocks
}

// signingBlocks are who asks for a certificate, for what, and what they got.
func signingBlocks(_ context.Context, c *Call, o *loaded) []view.Block {
	spec := o.object.Object["spec"]
	var f factList
	f.link("Asked by", digText(spec, "username"), subjectHref(userSubject(digText(spec, "username"))))
	f.add("Groups", strings.Join(stringList(dig(spec, "groups")), ", "))
	f.add("Signer", digText(spec, "signerName"))
	f.add("Usages", strings.Join(stringList(dig(spec, "usages")), ", "))
	f.add("Wanted for", secondsText(dig(spec, "expirationSeconds")))
	blocks := []view.Block{{Title: "Request", Facts: f}}
	if raw, err := base64.StdEncoding.DecodeString(digText(spec, "request")); err == nil {
		if block, _ := pem.Decode(raw); block != nil {
			var g factList
			if r, err := x509.ParseCertificateRequest(block.Bytes); err == nil {
				names := r.DNSNames
				for _, ip := range r.IPAddresses {
					names = append(names, ip.String())
				}
				g.add("For", r.Subject.String())
				g.add("Names", strings.Join(append(names, r.EmailAddresses...), ", "))
				g.add("Key", r.PublicKeyAlgorithm.String())
			} else {
				g.add("Why", c.T("It cannot be read: %s", err))
			}
			blocks = append(blocks, view.Block{Title: "What is to be certified", Facts: g})
		}
	}
	if b := c.certificateBlock(o, digText(o.object.Object, "status certificate")); b.Facts != nil {
		blocks = append(blocks, b)
	}
	return blocks
}

// userSubject is who has a name: a user, or an account.
func userSubject(name string) rbacv1.Subject {
	if rest, ok := strings.CutPrefix(name, "system:serviceaccount:"); ok {
		namespace, account, _ := strings.Cut(rest, ":")
		return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}
	}
	return rbacv1.Subject{Kind: rbacv1.UserKind, Name: name}
}

// approve answers a signing request, as kubectl certificate approve and deny do.
func approve(ctx context.Context, c *Call, d *doing, t target, _ string) error {
	live, err := c.read(ctx, t.address)
	if err != nil {
		return err
	}
	conditions, _ := dig(live.Object, "status conditions").([]any)
	return c.patch(ctx, t, "approval", map[string]any{
		"metadata": map[string]any{"uid": t.uid, "resourceVersion": live.GetResourceVersion()},
		"status": map[string]any{"conditions": append(conditions, map[string]any{
			"type": d.value, "status": "True", "reason": "Dashboard", "message": "This CSR was answered by " + c.User().Name + " in the dashboard.", "lastUpdateTime": c.Clock().UTC().Format(time.RFC3339),
		})},
	})
}

// unanswered tells a signing request that is neither approved nor denied.
func unanswered(_ *doing, o *loaded) bool {
	for _, k := range objects(dig(o.object.Object, "status conditions")) {
		if k["type"] == "Approved" || k["type"] == "Denied" {
			return false
		}
	}
	return true
}
