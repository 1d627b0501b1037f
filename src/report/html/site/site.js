(function () {
  'use strict';
  if (!document.body.hasAttribute('data-live') || !window.EventSource) return;

  function show(job) {
    var box = document.querySelector('.progress[data-job="' + Number(job.place) + '"]');
    if (!box) return;
    box.hidden = !job.running;
    if (!job.running) return;
    var bar = box.querySelector('progress');
    box.querySelector('.words').textContent = job.words;
    if (job.total) {
      bar.max = job.total;
      bar.value = job.done;
    } else {
      bar.removeAttribute('value');
    }
  }

  // What the reader has opened, and where the keyboard is, stays.
  function renew() {
    fetch(window.location.href, { credentials: 'same-origin' }).then(function (answer) {
      return answer.ok ? answer.text() : Promise.reject(answer.status);
    }).then(function (text) {
      var made = new DOMParser().parseFromString(text, 'text/html').getElementById('main');
      var main = document.getElementById('main');
      if (!made || main.contains(document.activeElement)) return;
      main.replaceWith(document.adoptNode(made));
    }).catch(function () {});
  }

  var last = null;
  var source = new EventSource('/events');
  source.addEventListener('jobs', function (event) {
    var news = JSON.parse(event.data);
    if (last !== null && last !== news.change) renew();
    last = news.change;
    news.jobs.forEach(show);
  });
}());
