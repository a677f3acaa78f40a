import{G as a,H as b}from"./chunk-55MWZPR4.js";import"./chunk-3VDWHQWP.js";export{b as edit,a as insertFiles};
