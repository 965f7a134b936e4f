import { createApp } from 'vue';
import App from './App.vue';
import './theme.css';
import './style.css';
import './details.css';
import './charts.css';
import './publish.css';
import './views.css';
import './recordings.css';
import './phone.css';

createApp(App).mount('#app');
