"use strict";(()=>{
const lost=document.getElementById("lost");let last=Date.now();
const turn=async()=>{
if(!document.hidden)try{
const answer=await fetch(location.href,{signal:AbortSignal.timeout(4000)});
if(!answer.ok)throw 0;
const page=new DOMParser().parseFromString(await answer.text(),"text/html");
const ids=[...document.querySelectorAll(".live,#sum")],now=[...page.querySelectorAll(".live,#sum")];
if(ids.map(e=>e.id).join()!==now.map(e=>e.id).join())return location.reload();
ids.forEach((e,i)=>{if(e.outerHTML!==now[i].outerHTML)e.replaceWith(now[i])});
document.title=page.title;last=Date.now();lost.hidden=true;document.body.classList.remove("stale")
}catch{
lost.textContent="No answer from the device. The figures are "+Math.round((Date.now()-last)/1000)+" s old.";
lost.hidden=false;document.body.classList.add("stale")}
setTimeout(turn,3000)};
setTimeout(turn,3000)})();
