package pages

import (
	"context"
	"strings"

	"pilothouse/backend/request"
	"pilothouse/web/unseen"
	"pilothouse/web/view"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// maxAway bounds the group versions of which a page says why they are away.
const maxAway = 10

// Away are the group versions that other API servers should serve and do not: what
// their types are is not known.
func (s *Site) Away() (list []schema.GroupVersion) {
	if s.Remote == nil || s.Remote.Groups == nil {
		return nil
	}
	groups, _ := s.Remote.Groups()
	for _, g := range groups {
		for _, v := range g.Versions {
			if v.Freshness == apidiscoveryv2.DiscoveryFreshnessStale {
				list = append(list, schema.GroupVersion{Group: g.Name, Version: v.Version})
			}
		}
	}
	return list[:min(len(list), maxAway)]
}

// away says of each of them why, as far as the user may know.
func (c *Call) away(ctx context.Context) (list []view.Unread) {
	for _, gv := range c.Away() {
		list = append(list, view.Unread{Resource: gv.String(), Why: c.whyAway(ctx, gv)})
	}
	return list
}

// whyAway is what the APIService says of a server that does not answer.
func (c *Call) whyAway(ctx context.Context, gv schema.GroupVersion) string {
	a := address{gvr: apiregistrationv1.SchemeGroupVersion.WithResource("apiservices"), name: gv.Version + "." + gv.Group}
	if c.may(ctx, right{verb: "get", address: a}) == nil {
		var s apiregistrationv1.APIService
		if err := c.Client.Get(ctx, a.gvr, "", a.name, &s); err == nil {
			for _, cond := range s.Status.Conditions {
				if cond.Type == apiregistrationv1.Available && cond.Status != apiregistrationv1.ConditionTrue {
					return unseen.Text(cond.Reason + ": " + cond.Message)
				}
			}
		}
	}
	return c.T("its server does not answer")
}

// notThere is the error of a page of no type that is known: of one that may be
// there when its server answers again, too.
func (c *Call) notThere(ctx context.Context) error {
	info := request.ParseInfo("GET", strings.TrimPrefix(c.R.Path, "/ui"), false, "")
	for _, gv := range c.Away() {
		if info.IsResource && info.Group == gv.Group && info.Version == gv.Version {
			return apierrors.NewServiceUnavailable(gv.String() + ": " + c.whyAway(ctx, gv))
		}
	}
	return notServed(c.R.Path)
}
